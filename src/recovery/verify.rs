//! Measures whether a target is well: its own checks must pass, and what the action left must hold, without a break for the soak time.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Actuator, Postcondition, Snapshot, Target};
use crate::{ports::Ports, types::target::TargetName};

/// How a target is, as its checks say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Vital {
    /// Whether every check is ok. Degraded, down and unknown are not.
    pub well: bool,
    /// Whether a check found it down, not only degraded.
    #[serde(default)]
    pub down: bool,
    /// Whether no check found anything wrong, but one could not tell.
    #[serde(default)]
    pub unknown: bool,
    /// How well it is, 0 to 100: the mean over the checks that could tell, ok 100, degraded 50, down 0. Absent when none could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<u8>,
    /// The checks' states and messages.
    pub summary: String,
}

/// Runs a target's checks. Recovery declares it; the composition root wires it to the health room.
#[async_trait]
pub trait Vitals: Send + Sync {
    /// Looks once.
    async fn look(&self, target: &TargetName) -> Vital;
}

/// What an action was to leave, and who can tell whether it is there.
pub(super) struct Aftermath<'a> {
    pub(super) actuator: &'a dyn Actuator,
    pub(super) ports: &'a Ports,
    pub(super) left: &'a Snapshot,
}

impl Aftermath<'_> {
    async fn holds(&self) -> Postcondition {
        self.actuator.verify(self.ports, self.left).await
    }
}

/// How watching ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watched {
    /// Whether everything held for the soak time.
    pub(super) good: bool,
    /// Whether the checks alone say that the target is well: they passed for the soak time, or pass while what the action left is gone for good.
    pub(super) looks_well: bool,
    /// What was seen last, in words.
    pub(super) text: String,
    /// The last look.
    pub(super) vital: Vital,
}

/// Pause between looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Looks until everything held without a break for the soak time, or the time is up, or the postcondition is broken for good.
pub(super) async fn watch(vitals: &dyn Vitals, target: &Target, after: Option<&Aftermath<'_>>) -> Watched {
    let begun = Instant::now();
    let (mut well_since, mut checks_since): (Option<Instant>, Option<Instant>) = (None, None);
    loop {
        let before = Instant::now();
        let vital = vitals.look(&target.name).await;
        let condition = match after {
            Some(after) => after.holds().await,
            None => Postcondition::Holds(String::new()),
        };
        let (holds, said) = match condition {
            Postcondition::Holds(said) => (true, said),
            Postcondition::NotYet(said) => (false, said),
            Postcondition::Broken(why) => return Watched { good: false, looks_well: vital.well, text: format!("{why}; {}", vital.summary), vital },
        };
        checks_since = vital.well.then(|| checks_since.unwrap_or(before));
        well_since = (vital.well && holds).then(|| well_since.unwrap_or(before));
        let seen = if said.is_empty() { vital.summary.clone() } else { format!("{}; {said}", vital.summary) };
        if well_since.is_some_and(|since| since.elapsed() >= target.soak) {
            return Watched { good: true, looks_well: true, text: seen, vital };
        }
        if begun.elapsed() >= target.verify_timeout {
            let (soak, limit) = (target.soak.as_secs(), target.verify_timeout.as_secs());
            let looks_well = checks_since.is_some_and(|since| since.elapsed() >= target.soak);
            return Watched { good: false, looks_well, text: format!("not well for {soak} s without a break within {limit} s; last: {seen}"), vital };
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::recovery::tests::a_target;

    /// Well on every look but each third.
    struct Flapping(AtomicUsize, bool);

    #[async_trait]
    impl Vitals for Flapping {
        async fn look(&self, _target: &TargetName) -> Vital {
            let well = !self.1 || self.0.fetch_add(1, Ordering::SeqCst) % 3 != 2;
            Vital { well, down: !well, unknown: false, score: None, summary: "looked".to_owned() }
        }
    }

    fn target(soak_ms: u64, timeout_ms: u64) -> Target {
        Target { soak: Duration::from_millis(soak_ms), verify_timeout: Duration::from_millis(timeout_ms), ..a_target() }
    }

    #[tokio::test]
    async fn a_target_that_flaps_is_not_well_and_a_steady_one_is_after_the_soak() {
        let flapping = watch(&Flapping(AtomicUsize::new(0), true), &target(1_400, 3_200), None).await;
        assert!(!flapping.good && flapping.text.contains("without a break"), "{flapping:?}");
        let begun = Instant::now();
        assert!(watch(&Flapping(AtomicUsize::new(0), false), &target(900, 3_000), None).await.good);
        assert!(begun.elapsed() >= Duration::from_millis(900), "the soak was cut short");
    }
}
