//! The log formats: bytes of a line in, a record out.
//!
//! To add one: a file with a unit struct that implements [`Format`], and its line in [`ALL`]. A format reads only what the line says;
//! a wrong timestamp or level is worse than none. What formats share is in `shared`, and the reader of a file's lines.
//!
//! **Invariant:** parsing a line depends on that line, on what detection saw and on the source's time zone alone, so that a file can be
//! read in pieces.

mod access;
mod auditd;
mod clock;
mod columns;
mod compose;
mod console;
mod cri;
mod docker;
mod elb;
mod epoch;
mod httpd;
mod json;
mod jul;
mod kernel;
mod klog;
mod levelled;
mod logcat;
mod logfmt;
mod monolog;
mod mysql;
mod plain;
mod postgres;
mod rails;
mod redis;
mod samba;
mod shared;
mod sssd;
mod standard;
mod strace;
mod syslog;
mod tai64n;
mod uwsgi;
mod w3c;

use std::borrow::Cow;

use jiff::tz::TimeZone;

pub(crate) use jul::second_line;
pub use shared::{
    own::{FormatSettings, Own},
    reader::LineReader,
};

use super::{
    level::Level,
    time::{Nanos, TimeReader},
};

/// All formats. Earlier ones win where two would read a line; `plain`, which reads every line, is last.
pub const ALL: &[&dyn Format] = &[
    // What wraps the lines of others.
    &docker::Docker,
    &cri::Cri,
    &json::Json,
    &w3c::W3c,
    &auditd::Auditd,
    &access::Access,
    &access::Envoy,
    &elb::Elb,
    &klog::Klog,
    &rails::Rails,
    &monolog::Monolog,
    &mysql::Mysql,
    &postgres::Postgres,
    &redis::Redis,
    &samba::Samba,
    &sssd::Sssd,
    &uwsgi::Uwsgi,
    &httpd::Nginx,
    &httpd::Apache,
    &httpd::Cups,
    &jul::Jul,
    &console::Logrus,
    &console::Dotnet,
    &kernel::Kernel,
    &tai64n::Tai64n,
    &strace::Strace,
    &logcat::Logcat,
    &columns::Columns,
    &syslog::Rfc5424,
    &syslog::Rfc3164,
    &syslog::Iso,
    &epoch::Epoch,
    &levelled::LevelFirst,
    &standard::Standard,
    &clock::Clock,
    &compose::Compose,
    &logfmt::Logfmt,
    &levelled::LevelOnly,
    &plain::Plain,
];

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record<'l> {
    /// When, if the line says so.
    pub time: Option<Nanos>,
    /// How grave, if the line says so.
    pub level: Option<Level>,
    /// Who, if the line says so.
    pub logger: Option<Cow<'l, [u8]>>,
    /// The text; the whole line where the format has no text of its own.
    pub message: Cow<'l, [u8]>,
    /// Level and message are in the line behind it.
    pub level_behind: bool,
}

impl<'l> Record<'l> {
    /// A record of borrowed parts. A logger without text is none.
    #[inline]
    fn of(time: Option<Nanos>, level: Option<Level>, logger: Option<&'l [u8]>, message: &'l [u8]) -> Self {
        let logger = logger.filter(|name| !name.is_empty()).map(Cow::Borrowed);
        Self { time, level, logger, message: Cow::Borrowed(message), level_behind: false }
    }

    /// The same, without the line it was read from.
    fn into_owned(self) -> Record<'static> {
        let own = |text: Cow<'l, [u8]>| Cow::Owned(text.into_owned());
        Record { time: self.time, level: self.level, logger: self.logger.map(own), message: own(self.message), level_behind: self.level_behind }
    }
}

/// What formats need besides the line. Detection fills it; reading does not change what it means.
#[derive(Debug, Clone)]
pub struct Context {
    /// Reads timestamps.
    pub times: TimeReader,
    /// Which fields the objects of this file have.
    json: shared::object::Plan,
    /// The columns of a W3C table, where the file has one.
    table: Option<w3c::Table>,
}

impl Context {
    /// For lines whose times without a zone are local times of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { times: TimeReader::new(zone), json: shared::object::Plan::default(), table: None }
    }
}

/// A log format.
pub trait Format: Sync {
    /// The name in reports.
    fn name(&self) -> &'static str;

    /// One line for help.
    fn summary(&self) -> &'static str;

    /// A line that it reads; a test parses it. Of several lines, the last.
    fn example(&self) -> &'static str;

    /// Whether a line of this format can begin with this byte. It is asked once per byte, not per line.
    fn begins_with(&self, _first: u8) -> bool {
        true
    }

    /// Reads a line without its newline and outer white space; none when it is not of this format.
    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>>;
}

/// What a line is to the records of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'l> {
    /// It begins a record.
    Head {
        /// Index of the format that read it, for [`LineReader::format_name`].
        format: usize,
        /// What it says.
        record: Record<'l>,
    },
    /// It goes on with the record before it: a stack frame, a statement, the rest of a line that was written in parts.
    More {
        /// Its text.
        text: Cow<'l, [u8]>,
        /// The text continues the line before it, which was cut by a container runtime: no newline lies between them.
        joined: bool,
    },
    /// It speaks of the file and belongs to no record, such as the header of a table.
    Frame,
}

/// The index of the format that read most lines; `plain` only where no other read any.
pub(crate) fn most_seen(counts: &[u64]) -> usize {
    let plain = ALL.len() - 1;
    let structured = (0..counts.len()).rev().filter(|format| *format != plain).max_by_key(|format| counts[*format]);
    structured.filter(|format| counts[*format] > 0).unwrap_or(plain)
}

#[cfg(test)]
mod tests;
