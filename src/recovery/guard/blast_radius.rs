//! Blast radius: where much of a group of targets is unwell, the trouble is elsewhere and restarting members makes it worse. Asked again before every
//! further action: a group may have changed while the first one was watched.

use super::Situation;
use crate::recovery::{Plan, RecoveryError, Target, Vital};

pub(super) fn guard(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    check(situation.target, &situation.group, situation.settings.max_unhealthy_percent).map(|()| plan)
}

/// Unknown is not unhealthy: it is refused for its own reason, and only where it could hide that too many are unwell.
pub(in crate::recovery) fn check(target: &Target, group: &[Vital], limit_percent: u8) -> Result<(), RecoveryError> {
    let (Some(name), members) = (&target.group, group.len()) else { return Ok(()) };
    // Of a group of one, the one that is to be mended is all there is.
    if members < 2 {
        return Ok(());
    }
    let unknown = group.iter().filter(|v| v.unknown).count();
    let unwell = group.iter().filter(|v| !v.well && !v.unknown).count();
    let too_many = |count: usize| count * 100 > members * usize::from(limit_percent);
    if too_many(unwell) {
        return Err(RecoveryError::BlastRadius { group: name.clone(), unwell, members, limit_percent });
    }
    if too_many(unwell + unknown) {
        return Err(RecoveryError::HealthUnknown { what: format!("{unknown} of the {members} targets of group {name}") });
    }
    Ok(())
}
