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
