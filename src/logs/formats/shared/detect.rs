//! Finds the format of a file's lines by a vote of the first of them.

use std::borrow::Cow;

use super::{
    super::{ALL, Context, compose, cri, docker, json, w3c},
    continuation::{continues, is_indented},
    reader::{BY_FIRST, Kind, LineReader, PLAIN, Service, UNKNOWN, Wrapper},
};

/// A file is timed when at least one in so many lines that begin a record has a time; else dates in it are strays.
const LINES_FOR_A_TIME: usize = 16;

/// What a line with a time counts in a vote, against one without.
const TIMED_VOTES: usize = 2;

impl LineReader {
    /// The texts that a runtime wrapped, parts joined.
    pub(super) fn unwrapped(&mut self, lines: &[Cow<'_, [u8]>]) -> Vec<Cow<'static, [u8]>> {
        let mut texts: Vec<Cow<'static, [u8]>> = Vec::new();
        let mut open = false;
        for line in lines {
            let (text, partial) = match self.wrapper {
                Wrapper::Docker => match docker::unwrap(line.trim_ascii()) {
                    Some(wrapped) => (wrapped.text, wrapped.partial),
                    None => (Cow::Borrowed(&**line), false),
                },
                _ => match cri::unwrap(line, &mut self.context.times) {
                    Some(wrapped) => (Cow::Borrowed(wrapped.text), wrapped.partial),
                    None => (Cow::Borrowed(&**line), false),
                },
            };
            match texts.last_mut().filter(|_| open) {
                Some(last) => last.to_mut().extend_from_slice(&text),
                None => texts.push(Cow::Owned(text.into_owned())),
            }
            open = partial;
        }
        texts
    }

    /// The kind of each service's lines.
    pub(super) fn learn_services(&mut self, lines: &[Cow<'_, [u8]>]) {
        let mut texts: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
        for (name, text) in lines.iter().filter_map(|line| compose::unwrap(line.trim_ascii_start())) {
            match texts.iter_mut().find(|(other, _)| *other == name) {
                Some((_, own)) => own.push(text),
                None => texts.push((name, vec![text])),
            }
        }
        for (name, texts) in texts {
            // Where only some lines have a time, it is the program's.
            let stamped = texts.iter().all(|text| compose::stamp(text).is_some());
            let apart = |text| compose::stamp(text).filter(|_| stamped).map_or(text, |(_, text)| text);
            let texts: Vec<Cow<'_, [u8]>> = texts.into_iter().map(|text| Cow::Borrowed(apart(text))).collect();
            let kind = self.learn(&texts);
            self.services.push(Service { name: Box::from(name), kind, stamped });
        }
    }

    /// The kind of these lines: the format that reads most of them, and whether they carry times.
    pub(super) fn learn(&mut self, lines: &[Cow<'_, [u8]>]) -> Kind {
        self.context.table = self.context.table.or_else(|| lines.iter().find_map(|line| w3c::table(line)));
        if lines.iter().any(|line| line.trim_ascii_start().first() == Some(&b'{')) {
            let objects = lines.iter().map(|line| line.trim_ascii());
            self.context.json = json::plan(objects, &mut self.context.times);
        }
        let mut ballot = Ballot { flat: vec![Votes::default(); self.formats()], indented: vec![Votes::default(); self.formats()], ..Ballot::default() };
        let mut before: Option<&[u8]> = None;
        for line in lines {
            let text = line.trim_ascii();
            if text.is_empty() {
                before = Some(line);
                continue;
            }
            let indented = is_indented(line);
            match self.vote(text) {
                Some(vote) => ballot.count(vote, indented),
                None if indented => ballot.indented_lines += 1,
                None => ballot.lines += usize::from(!continues(text, before)),
            }
            before = Some(line);
        }
        let kind = ballot.result();
        self.yearless |= ballot.yearless;
        self.own_seen |= ballot.own_seen();
        kind
    }

    /// The first format that reads a line.
    fn vote(&mut self, line: &[u8]) -> Option<Vote> {
        let builtin = BY_FIRST[usize::from(line[0])];
        let own = (ALL.len()..self.formats()).chain((0..PLAIN).filter(|format| builtin & 1 << format != 0));
        for format in own {
            let seen = &mut self.context.times.seen;
            (seen.stamped, seen.yearless, seen.impossible) = (false, false, false);
            let read = match format.checked_sub(ALL.len()) {
                Some(own) => self.own[own].parse(line, &mut self.context.times).is_some(),
                None => ALL[format].parse(line, &mut self.context).is_some(),
            };
            if read {
                let seen = &self.context.times.seen;
                // It proves nothing of the format.
                if seen.impossible {
                    return None;
                }
                return Some(Vote { format, stamped: seen.stamped, yearless: seen.yearless });
            }
        }
        None
    }
}

struct Vote {
    format: usize,
    stamped: bool,
    yearless: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Votes {
    stamped: usize,
    others: usize,
}

/// What the lines voted, those that are indented apart: in most files they only continue others.
#[derive(Default)]
struct Ballot {
    flat: Vec<Votes>,
    indented: Vec<Votes>,
    /// Lines that nothing read and that continue nothing.
    lines: usize,
    indented_lines: usize,
    yearless: bool,
}

impl Ballot {
    fn count(&mut self, vote: Vote, indented: bool) {
        let votes = if indented { &mut self.indented } else { &mut self.flat };
        if vote.stamped {
            votes[vote.format].stamped += 1;
        } else {
            votes[vote.format].others += 1;
        }
        self.yearless |= vote.yearless;
    }

    fn own_seen(&self) -> bool {
        self.flat.iter().chain(&self.indented).enumerate().any(|(at, votes)| at % self.flat.len() >= ALL.len() && votes.stamped + votes.others > 0)
    }

    fn result(&self) -> Kind {
        let stamped = |votes: &[Votes]| votes.iter().map(|votes| votes.stamped).sum::<usize>();
        let read = |votes: &[Votes]| votes.iter().map(|votes| votes.stamped + votes.others).sum::<usize>();
        let flat_lines = self.lines + read(&self.flat);
        // Where a format reads what is not indented and none what is, the latter is text of the former.
        let heads = flat_lines > 0 && self.lines == 0 && read(&self.indented) == 0;
        let indented = stamped(&self.flat) == 0 && !heads && (stamped(&self.indented) > 0 || self.indented_lines + read(&self.indented) > flat_lines);
        let votes: Vec<Votes> = if indented {
            let both = self.flat.iter().zip(&self.indented);
            both.map(|(a, b)| Votes { stamped: a.stamped + b.stamped, others: a.others + b.others }).collect()
        } else {
            self.flat.clone()
        };
        let weight = |votes: &Votes| TIMED_VOTES * votes.stamped + votes.others;
        let best = (0..votes.len()).rev().max_by_key(|format| weight(&votes[*format])).filter(|format| weight(&votes[*format]) > 0);
        let Some(locked) = best else { return Kind { indented, ..UNKNOWN } };
        let lines = self.lines + read(&votes);
        let others = read(&votes) - stamped(&votes);
        let timed = votes[locked].stamped > 0 && stamped(&votes) >= others && stamped(&votes) * LINES_FOR_A_TIME >= lines;
        Kind { locked, timed, indented }
    }
}

/// What wraps most of the lines.
pub(super) fn wrapper_of(lines: &[Cow<'_, [u8]>], context: &mut Context) -> Wrapper {
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.trim_ascii()).filter(|line| !line.is_empty()).collect();
    let most = |is: &mut dyn FnMut(&[u8]) -> bool| lines.iter().filter(|line| is(line)).count() * 2 > lines.len();
    if most(&mut |line| docker::unwrap(line).is_some()) {
        Wrapper::Docker
    } else if most(&mut |line| cri::unwrap(line, &mut context.times).is_some()) {
        Wrapper::Cri
    } else if most(&mut |line| compose::unwrap(line).is_some()) {
        Wrapper::Compose
    } else {
        Wrapper::None
    }
}
