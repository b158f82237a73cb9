//! Stand-ins for the ports in unit tests. They record calls and answer what the test says; they pretend nothing in the product.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{
    clock::Clock,
    exec::{Exec, ExecError, Finished, Invocation},
};

/// A clock that stands still until told.
pub struct FakeClock(Mutex<Timestamp>);

impl FakeClock {
    /// Stands at this RFC 3339 moment.
    pub fn at(moment: &str) -> Self {
        Self(Mutex::new(moment.parse().expect("tests write valid moments")))
    }

    /// Moves on, or back.
    pub fn advance_seconds(&self, seconds: i64) {
        let mut now = self.0.lock().expect("no test panics with the lock held");
        *now += SignedDuration::from_secs(seconds);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no test panics with the lock held")
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
