//! A user's own formats, from `[[logs.format]]`: a regular expression with named groups, or the names of JSON fields. They are tried first.

use std::collections::BTreeMap;

use jiff::fmt::strtime::BrokenDownTime;
use regex::bytes::Regex;
use serde::Deserialize;

use super::{
    super::Record,
    object::{Value, at_path},
};
use crate::logs::{
    level::Level,
    time::{Nanos, TimeReader},
};

/// One `[[logs.format]]`: either `regex` or at least one field.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct FormatSettings {
    /// What reports call it.
    pub name: String,
    /// A regular expression with groups of the names `time`, `level`, `logger` and `message`.
    pub regex: Option<String>,
    /// How the time is written, as in strftime: `%d.%m.%Y %H:%M:%S`. Default: any usual way.
    pub time_format: Option<String>,
    /// The field of a JSON object with the time; dots lead into nested objects.
    pub time_field: Option<String>,
    /// Likewise, the level.
    pub level_field: Option<String>,
    /// Likewise, the message.
    pub message_field: Option<String>,
    /// Likewise, the logger.
    pub logger_field: Option<String>,
    /// Levels by the text that stands for them, beside the usual words.
    #[serde(default)]
    pub levels: BTreeMap<String, Level>,
}

/// The groups of a regular expression that are looked at.
const GROUPS: [&str; 4] = ["time", "level", "logger", "message"];

/// A user's own format, ready to read.
#[derive(Debug)]
pub struct Own {
    name: String,
    reads: Reads,
    time_format: Option<String>,
    levels: BTreeMap<Vec<u8>, Level>,
}

#[derive(Debug)]
enum Reads {
    Regex(Regex),
    /// Paths of time, level, logger and message.
    Json([Option<Vec<u8>>; 4]),
}

impl Own {
    /// Makes a format of its settings.
    ///
    /// # Errors
    /// A text with the format's name, what is wrong and what to write.
    pub fn new(settings: &FormatSettings) -> Result<Self, String> {
        let FormatSettings { name, regex, time_format, time_field, level_field, message_field, logger_field, levels } = settings;
        let wrong = |what: &str| Err(format!("logs.format {name}: {what}"));
        if name.is_empty() {
            return Err("logs.format: name is empty: write what reports shall call it".to_owned());
        }
        let paths = [time_field, level_field, logger_field, message_field].map(|path| path.clone().map(String::into_bytes));
        let reads = match (regex, paths.iter().any(Option::is_some)) {
            (Some(_), true) => return wrong("has both regex and fields: write one of them"),
            (None, false) => return wrong("reads nothing: write regex, or time_field and its kin for JSON"),
            (None, true) => Reads::Json(paths),
            (Some(regex), false) => {
                let compiled = Regex::new(regex).map_err(|e| format!("logs.format {name}: regex: {e}"))?;
                if !compiled.capture_names().flatten().any(|group| GROUPS.contains(&group)) {
                    return wrong("regex has none of the groups time, level, logger and message: write (?<time>...)");
                }
                Reads::Regex(compiled)
            }
        };
        if let Some(format) = time_format {
            // A format that cannot even write a moment cannot read one.
            let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
            if let Err(error) = BrokenDownTime::from(&sample).to_string(format) {
                return wrong(&format!("time_format: {error}"));
            }
        }
        let levels = levels.iter().map(|(text, level)| (text.to_ascii_lowercase().into_bytes(), *level)).collect();
        Ok(Self { name: name.clone(), reads, time_format: time_format.clone(), levels })
    }

    /// All formats of these settings, in their order.
    ///
    /// # Errors
    /// As [`Self::new`], and two of one name.
    pub fn all(settings: &[FormatSettings]) -> Result<Vec<Self>, String> {
        for (at, format) in settings.iter().enumerate() {
            let taken = settings[..at].iter().any(|other| other.name == format.name);
            if taken || super::super::ALL.iter().any(|built_in| built_in.name() == format.name) {
                return Err(format!("logs.format: two are called {}: choose another name", format.name));
            }
        }
        settings.iter().map(Self::new).collect()
    }

    /// What reports call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a line without outer white space; none when it is not of this format.
    pub(in super::super) fn parse<'l>(&self, line: &'l [u8], times: &mut TimeReader) -> Option<Record<'l>> {
        match &self.reads {
            Reads::Regex(regex) => {
                let groups = regex.captures(line)?;
                let [time, level, logger, message] = GROUPS.map(|name| groups.name(name).map(|group| group.as_bytes()));
                let level = level.and_then(|text| self.level(text));
                Some(Record::of(time.and_then(|text| self.time(text, times)), level, logger, message.unwrap_or(line)))
            }
            Reads::Json(paths) => {
                if line.first() != Some(&b'{') {
                    return None;
                }
                let [time, level, logger, message] = paths.each_ref().map(|path| path.as_ref().and_then(|path| at_path(line, path)));
                if time.is_none() && level.is_none() && message.is_none() {
                    return None;
                }
                let text = |value: Option<Value<'l>>| value.and_then(|value| value.text());
                let time = text(time).and_then(|text| self.time(&text, times));
                let level = text(level).and_then(|text| self.level(&text));
                Some(Record { time, level, logger: text(logger), message: text(message).unwrap_or(line.into()), level_behind: false })
            }
        }
    }

    fn level(&self, text: &[u8]) -> Option<Level> {
        let text = text.trim_ascii();
        let own = if self.levels.is_empty() { None } else { self.levels.get(&text.to_ascii_lowercase()).copied() };
        own.or_else(|| Level::of_word(text)).or_else(|| Level::of_number(text))
    }

    fn time(&self, text: &[u8], times: &mut TimeReader) -> Option<Nanos> {
        match &self.time_format {
            Some(format) => times.formatted(format, text),
            None => times.any_whole(text)?.0,
        }
    }
}
