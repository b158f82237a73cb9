//! Measures whether a target is well: its own check must pass without a break for the soak time.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Target;
use crate::types::target::TargetName;

/// How a target is, as its check says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Vital {
    /// Whether the check is ok. Degraded, down and unknown are not.
    pub well: bool,
    /// The check's state and message.
    pub summary: String,
}

/// Runs a target's check. Recovery declares it; the composition root wires it to the health room.
#[async_trait]
pub trait Vitals: Send + Sync {
    /// Looks once.
    async fn look(&self, target: &TargetName) -> Vital;
}

/// Pause between looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Looks until the check passed without a break for the soak time.
///
/// # Errors
/// The last look and how long it was waited, when the time is up first.
pub(super) async fn verify(vitals: &dyn Vitals, target: &Target) -> Result<Vital, String> {
    let begun = Instant::now();
    let mut well_since: Option<Instant> = None;
    loop {
        let before = Instant::now();
        let vital = vitals.look(&target.name).await;
        well_since = if vital.well { Some(well_since.unwrap_or(before)) } else { None };
        if well_since.is_some_and(|since| since.elapsed() >= target.soak) {
            return Ok(vital);
        }
        if begun.elapsed() >= target.verify_timeout {
            return Err(format!(
                "not well for {} s without a break within {} s; last: {}",
                target.soak.as_secs(),
                target.verify_timeout.as_secs(),
                vital.summary
            ));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::types::target::Policy;

    /// Well on every look but each third.
    struct Flapping(AtomicUsize, bool);

    #[async_trait]
    impl Vitals for Flapping {
        async fn look(&self, _target: &TargetName) -> Vital {
            let well = !self.1 || self.0.fetch_add(1, Ordering::SeqCst) % 3 != 2;
            Vital { well, summary: "looked".to_owned() }
        }
    }

    fn target(soak_ms: u64, timeout_ms: u64) -> Target {
        Target {
            name: "shop".parse().expect("a name"),
            policy: Policy::Auto,
            actuators: BTreeMap::new(),
            check: None,
            soak: Duration::from_millis(soak_ms),
            verify_timeout: Duration::from_millis(timeout_ms),
            facts: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn a_target_that_flaps_is_not_well_and_a_steady_one_is_after_the_soak() {
        let error = verify(&Flapping(AtomicUsize::new(0), true), &target(1_400, 3_200)).await.expect_err("every third look is bad");
        assert!(error.contains("without a break"), "{error}");
        let begun = Instant::now();
        verify(&Flapping(AtomicUsize::new(0), false), &target(900, 3_000)).await.expect("steady");
        assert!(begun.elapsed() >= Duration::from_millis(900), "the soak was cut short");
    }
}
