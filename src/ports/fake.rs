//! Stand-ins for the ports in unit tests. They record calls and answer what the test says; they pretend nothing in the product.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::SignedDuration;

use super::{
    clock::Clock,
    exec::{Exec, ExecError, Finished, Invocation},
};
use crate::types::moment::Moment;

/// Clocks that stand still until told.
pub struct FakeClock(Mutex<Moment>);

impl FakeClock {
    /// Stands at this RFC 3339 moment, an hour after boot.
    pub fn at(moment: &str) -> Self {
        let at = moment.parse().expect("tests write valid moments");
        Self(Mutex::new(Moment { at, boot: "a boot".to_owned(), uptime_ms: 3_600_000 }))
    }

    /// Stands here from now on.
    pub fn set(&self, moment: Moment) {
        *self.0.lock().expect("no test panics with the lock held") = moment;
    }

    /// Time passes.
    pub fn advance_seconds(&self, seconds: i64) {
        self.set_wall_seconds(seconds);
        self.0.lock().expect("no test panics with the lock held").uptime_ms += seconds * 1_000;
    }

    /// Somebody sets the wall clock; no time passes.
    pub fn set_wall_seconds(&self, by: i64) {
        self.0.lock().expect("no test panics with the lock held").at += SignedDuration::from_secs(by);
    }
}

impl Clock for FakeClock {
    fn moment(&self) -> Moment {
        self.0.lock().expect("no test panics with the lock held").clone()
    }
}

/// Programs that never run: records what was asked and answers the scripted results in order, then exit code 0.
#[derive(Default)]
pub struct FakeExec {
    /// Every invocation, in order.
    pub calls: Mutex<Vec<Vec<String>>>,
    /// The variables of each, in the same order.
    pub envs: Mutex<Vec<BTreeMap<String, String>>>,
    /// Results still to give.
    pub script: Mutex<VecDeque<Result<Finished, ExecError>>>,
}

#[async_trait]
impl Exec for FakeExec {
    async fn run(&self, invocation: &Invocation) -> Result<Finished, ExecError> {
        self.calls.lock().expect("no test panics with the lock held").push(invocation.argv.clone());
        self.envs.lock().expect("no test panics with the lock held").push(invocation.env.clone());
        let next = self.script.lock().expect("no test panics with the lock held").pop_front();
        next.unwrap_or(Ok(Finished { code: Some(0), stdout: String::new(), stderr: String::new() }))
    }
}
