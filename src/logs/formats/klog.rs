//! glog and klog (Kubernetes): `E0126 10:30:45.123456    7 server.go:42] text`, the level as one letter, no year.

use super::{
    Context, Format, Record,
    shared::text::{split, word},
};
use crate::logs::level::Level;

/// klog.
pub(super) struct Klog;

impl Format for Klog {
    fn name(&self) -> &'static str {
        "klog"
    }

    fn summary(&self) -> &'static str {
        "glog and klog (Kubernetes): Lmmdd time thread file:line] text; no year"
    }

    fn example(&self) -> &'static str {
        "E0126 10:30:45.123456    7 server.go:42] Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        matches!(first, b'I' | b'W' | b'E' | b'F' | b'D')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (letter, stamp) = line.split_first()?;
        let (time, used) = context.times.klog(stamp)?;
        let (_, place) = word(stamp[used..].trim_ascii_start());
        let (place, message) = split(place, b']').filter(|(place, _)| place.contains(&b':') && !place.contains(&b' '))?;
        let logger = split(place, b':').map(|(file, _)| file);
        Some(Record::of(time, Level::of_letter(*letter), logger, message.trim_ascii_start()))
    }
}
