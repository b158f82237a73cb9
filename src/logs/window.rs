//! Which stretch of time is asked for, and what the end of a log is.
//!
//! Both ends are inclusive. A bounded window holds no record without a timestamp; an unbounded one holds all.

use jiff::{Timestamp, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    error::LogsError,
    time::{self, Nanos},
};
use crate::types::time::parse_moment;

/// What relative times are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Anchor {
    /// The present.
    #[default]
    Now,
    /// The last timestamp of the log.
    End,
}

/// `since` with this value asks for everything.
pub const SINCE_ALL: &str = "all";

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Window {
    pub(crate) from: Option<Nanos>,
    pub(crate) to: Option<Nanos>,
}

impl Window {
    /// Reads the three texts of a request.
    ///
    /// # Errors
    /// [`LogsError::BadWindow`] when one is no time, when `since` and `from` contradict, or the end is before the beginning.
    pub(crate) fn parse(since: Option<&str>, from: Option<&str>, to: Option<&str>, zone: &TimeZone, anchor: Timestamp) -> Result<Self, LogsError> {
        let moment =
            |name: &str, text: &str| parse_moment(text, zone, anchor).map(time::nanos).map_err(|problem| LogsError::BadWindow(format!("{name}: {problem}")));
        let begin = match (since, from) {
            (Some(_), Some(_)) => return Err(LogsError::BadWindow("since and from say the same thing: give one of them".to_owned())),
            (Some(SINCE_ALL), None) | (None, None) => None,
            (Some(since), None) => Some(moment("since", since)?),
            (None, Some(from)) => Some(moment("from", from)?),
        };
        let end = to.map(|to| moment("to", to)).transpose()?;
        if let (Some(begin), Some(end)) = (begin, end)
            && end < begin
        {
            return Err(LogsError::BadWindow(format!("the window ends ({}) before it begins ({})", time::show(end), time::show(begin))));
        }
        Ok(Self { from: begin, to: end })
    }

    /// Whether a record of this time lies before the window.
    pub(crate) fn is_before(&self, time: Option<Nanos>) -> bool {
        time.zip(self.from).is_some_and(|(time, from)| time < from)
    }

    /// Whether any side is bounded.
    pub(crate) fn is_bounded(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Whether a record of this time belongs to the window.
    pub(crate) fn holds(&self, time: Option<Nanos>) -> bool {
        match time {
            Some(time) => self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time <= to),
            None => !self.is_bounded(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parse(since: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<Window, LogsError> {
        Window::parse(since, from, to, &TimeZone::UTC, "2026-11-20T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn windows_are_relative_or_absolute_and_inclusive() {
        let hour = parse(Some("1h"), None, None).unwrap();
        let noon = time::nanos("2026-11-20T12:00:00Z".parse().unwrap());
        assert_eq!(hour, Window { from: Some(noon - 3_600 * time::SECOND), to: None });
        assert!(hour.holds(hour.from) && !hour.holds(hour.from.map(|f| f - 1)) && !hour.holds(None));
        assert!(parse(Some("all"), None, None).unwrap().holds(None));
        let both = parse(None, Some("2026-11-20 10:00"), Some("end")).unwrap();
        assert_eq!(both.to, Some(noon));
        for wrong in [parse(Some("1h"), Some("2h"), None), parse(None, Some("1h"), Some("2h")), parse(Some("soon"), None, None)] {
            assert!(matches!(wrong, Err(LogsError::BadWindow(_))), "{wrong:?}");
        }
    }
}
