//! Rotated logs: in which order files are read, and which need not be read at all.
//!
//! A file of a set ends before the next one of the set begins. Of the plain files before a window only the last of each set is read, and
//! of it the end, to know what is not new. A file whose times do not ascend, and a packed one that belongs to no set, is read.

use std::mem;

use super::{prepare::Ready, seek::SLACK, sources::rotated, time::Nanos, window::Window};

/// Puts the files of each set behind each other, the oldest first. Gives back the set of each file.
pub(crate) fn order(ready: &mut Vec<Ready>) -> Vec<usize> {
    let names: Vec<String> = ready.iter().map(|file| file.path.clone()).collect();
    let mut files: Vec<Option<Ready>> = mem::take(ready).into_iter().map(Some).collect();
    let mut set_of = Vec::with_capacity(files.len());
    for (set, members) in rotated::sets(&names).into_iter().enumerate() {
        for member in members {
            ready.extend(files[member].take());
            set_of.push(set);
        }
    }
    set_of
}

/// Why a file holds no record of the window, or none.
fn outside(first: Option<Nanos>, last: Option<Nanos>, window: &Window) -> Option<Side> {
    if window.from.zip(last).is_some_and(|(from, last)| last.saturating_add(SLACK) < from) {
        Some(Side::Before)
    } else if window.to.zip(first).is_some_and(|(to, first)| first.saturating_sub(SLACK) > to) {
        Some(Side::After)
    } else {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Takes out the files that hold no record of the window, each with the reason. `set_of` as [`order`] gave it.
pub(crate) fn leave_out(ready: &mut Vec<Ready>, set_of: &[usize], window: &Window) -> Vec<(Ready, &'static str)> {
    let sides: Vec<Option<Side>> = (0..ready.len()).map(|at| side(ready, set_of, at, window)).collect();
    let mut left = Vec::new();
    let mut kept = Vec::with_capacity(ready.len());
    for (at, file) in mem::take(ready).into_iter().enumerate() {
        let followed = set_of.get(at + 1) == Some(&set_of[at]) && sides[at + 1] == Some(Side::Before);
        match sides[at] {
            // Its end tells what is not new in the window.
            Some(Side::Before) if file.input.is_seekable() && !followed => kept.push(file),
            Some(Side::Before) => left.push((file, "not read: it ends before the window")),
            Some(Side::After) => left.push((file, "not read: it begins after the window")),
            None => kept.push(file),
        }
    }
    *ready = kept;
    left
}

fn side(ready: &[Ready], set_of: &[usize], at: usize, window: &Window) -> Option<Side> {
    let file = &ready[at];
    // Only where the times ascend do the first and last one say anything.
    if !file.sorted {
        return None;
    }
    if file.input.is_seekable() {
        return outside(file.span.map(|span| span.0), file.span.map(|span| span.1), window);
    }
    // Of a packed file only the beginning is known. Its place in a set whose files follow each other says the rest.
    let own = at;
    let neighbour = |at: Option<usize>| at.and_then(|at| ready.get(at).filter(|_| set_of.get(at) == Some(&set_of[own]))).and_then(|file| file.first);
    let (before, behind) = (neighbour(at.checked_sub(1)), neighbour(Some(at + 1)));
    let follows = before.zip(file.first).is_none_or(|(before, first)| before <= first) && file.first.zip(behind).is_none_or(|(first, behind)| first <= behind);
    if !follows || before.or(behind).is_none() {
        return None;
    }
    outside(file.first, behind, window)
}
