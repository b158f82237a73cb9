//! Freezes: windows of the configuration, and the ones that a person set on the machine.

use jiff::{
    Timestamp,
    civil::{Time, Weekday},
    tz::TimeZone,
};
use serde::Deserialize;

use super::Situation;
use crate::{
    recovery::{ControlState, Plan, RecoveryError},
    types::{moment::Moment, target::TargetName},
};

/// `[[recovery.freeze]]`: from one moment to another, or the same hours of some days of each week. By the wall clock, as people mean it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeWindow {
    /// What it is for; shown in refusals.
    pub name: String,
    /// Only these targets; none means all.
    #[serde(default)]
    pub targets: Vec<TargetName>,
    /// First moment, RFC 3339. With `to`.
    pub from: Option<Timestamp>,
    /// First moment that is free again.
    pub to: Option<Timestamp>,
    /// Days of the week on which it begins: `mon` to `sun`. Instead of `from` and `to`.
    #[serde(default)]
    pub days: Vec<String>,
    /// Begins at this time of those days. Default 00:00.
    pub start: Option<Time>,
    /// Ends at this time, on the next day if that is not after `start`. Default: midnight.
    pub end: Option<Time>,
    /// Zone of days and times. Default UTC.
    #[serde(default)]
    pub timezone: Option<String>,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

fn weekday(name: &str) -> Option<Weekday> {
    DAYS.iter().find(|(known, _)| *known == name).map(|(_, day)| *day)
}

impl FreezeWindow {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// What to write instead.
    pub fn validate(&self) -> Result<(), String> {
        let name = &self.name;
        match (self.from, self.to, self.days.is_empty()) {
            (Some(_), Some(_), true) if self.start.is_some() || self.end.is_some() || self.timezone.is_some() => {
                Err(format!("recovery.freeze {name}: start, end and timezone belong to days; from and to are whole moments"))
            }
            (Some(from), Some(to), true) if from < to => Ok(()),
            (None, None, false) => self
                .days
                .iter()
                .try_for_each(|day| weekday(day).map(|_| ()).ok_or_else(|| format!("recovery.freeze {name}: days are mon, tue, wed, thu, fri, sat and sun"))),
            _ => Err(format!("recovery.freeze {name}: write from and to (the earlier first), or days with start and end")),
        }?;
        match &self.timezone {
            Some(zone) if TimeZone::get(zone).is_err() => Err(format!("recovery.freeze {name}: timezone is not known; write one like Europe/Berlin")),
            _ => Ok(()),
        }
    }

    fn holds(&self, target: &TargetName, now: Timestamp) -> bool {
        let meant = self.targets.is_empty() || self.targets.contains(target);
        let within = match (self.from, self.to) {
            (Some(from), Some(to)) => from <= now && now < to,
            _ => self.holds_by_week(now),
        };
        meant && within
    }

    fn holds_by_week(&self, now: Timestamp) -> bool {
        let zone = self.timezone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let local = now.to_zoned(zone);
        let midnight = Time::midnight();
        let (start, end, time) = (self.start.unwrap_or(midnight), self.end.unwrap_or(midnight), local.time());
        let begins_on = |day: Weekday| self.days.iter().any(|name| weekday(name) == Some(day));
        let today = local.weekday();
        if end > start {
            return begins_on(today) && start <= time && time < end;
        }
        (begins_on(today) && start <= time) || (begins_on(today.previous()) && time < end)
    }
}

/// Why nothing may be done to the target now, if something says so.
pub(in crate::recovery) fn reason(windows: &[FreezeWindow], controls: &ControlState, target: &TargetName, now: &Moment) -> Option<String> {
    let window = windows.iter().find(|w| w.holds(target, now.at)).map(|w| w.name.clone());
    window.or_else(|| {
        let set = controls.freezes.iter().find(|f| f.target.as_ref().is_none_or(|t| t == target) && now.since(&f.began) < f.span);
        set.map(|f| format!("{}, for another {} s", f.reason, now.left_of(f.span, &f.began).as_secs().max(1)))
    })
}

pub(super) fn guard(situation: &Situation<'_>, plan: Plan) -> Result<Plan, RecoveryError> {
    match reason(&situation.settings.freeze, &situation.controls, &situation.target.name, &situation.now) {
        Some(reason) => Err(RecoveryError::Frozen { target: plan.target.to_string(), reason }),
        None => Ok(plan),
    }
}
