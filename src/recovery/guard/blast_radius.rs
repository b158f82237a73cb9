//! Blast radius: where much of a group of targets is unwell, the trouble is elsewhere and restarting members makes it worse.

use super::Situation;
use crate::recovery::{Plan, RecoveryError};

/// Unknown is not unhealthy: it is refused for its own reason, and only where it could hide that too many are unwell.
pub(super) fn guard(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    let (Some(group), members) = (&situation.target.group, situation.group.len()) else { return Ok(plan) };
    let unknown = situation.group.iter().filter(|v| v.unknown).count();
    let unwell = situation.group.iter().filter(|v| !v.well && !v.unknown).count();
    let limit = situation.settings.max_unhealthy_percent;
    let too_many = |count: usize| count * 100 > members * usize::from(limit);
    if too_many(unwell) {
        return Err(RecoveryError::BlastRadius { group: group.clone(), unwell, members, limit_percent: limit });
    }
    if too_many(unwell + unknown) {
        return Err(RecoveryError::HealthUnknown { what: format!("{unknown} of the {members} targets of group {group}") });
    }
    Ok(plan)
}
