//! What several kinds need.

use std::time::Duration;

use tokio::time::Instant;

use super::{Act, ActError, Actuator, Snapshot};
use crate::ports::Ports;

/// How long a state may take to be as before once the call that undoes has ended.
pub(super) const SETTLE: Duration = Duration::from_secs(10);
/// Pause between looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Looks whether an undo that was called brought the prior state back. Many backends answer first and change afterwards, so it looks for a while.
///
/// # Errors
/// Failed when the state is another at the end, unknown when it could not be seen.
pub(super) async fn restored(actuator: &dyn Actuator, ports: &Ports, prior: &Snapshot, act: Act, limit: Duration) -> Result<Act, ActError> {
    let until = Instant::now() + limit;
    loop {
        let seen = actuator.observe(ports).await;
        match seen {
            Ok(now) if now == *prior => return Ok(Act { message: format!("{}; the state is as before", act.message), left: now, ..act }),
            _ if Instant::now() < until => tokio::time::sleep(INTERVAL).await,
            Ok(now) => return Err(ActError::Failed(Act { message: format!("{}, but the state is not as before", act.message), left: now, ..act })),
            Err(why) => {
                return Err(ActError::Unknown(Act { message: format!("{}, but whether the state is as before was not seen: {why}", act.message), ..act }));
            }
        }
    }
}

/// What an act whose end was not seen did, where the state that it changes can be looked at.
pub(super) fn changed(prior: &Snapshot, now: Result<Snapshot, String>) -> super::Probe {
    use super::Probe;
    match now {
        _ if prior.is_empty() => Probe::CannotTell("how it was before was not saved".to_owned()),
        Ok(now) if now != *prior => Probe::Happened(Act { message: "the state is another than before".to_owned(), left: now, ..Default::default() }),
        Ok(_) => Probe::CannotTell("the state is as before; the call may still be at it".to_owned()),
        Err(why) => Probe::CannotTell(why),
    }
}
