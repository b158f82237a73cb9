//! English words that tell values from what is said of them. They are few and about language, not about any program.

use std::{collections::HashSet, sync::LazyLock};

/// Endings by which English forms what happened or happens out of a verb.
const VERB_ENDINGS: [&[u8]; 2] = [b"ed", b"ing"];

/// Endings of names of faults.
const FAULT_ENDINGS: [&[u8]; 3] = [b"Exception", b"Error", b"Fault"];

/// Longer words are not looked up.
const LONGEST: usize = 16;

/// Words that hold a sentence together, and those that say how something went.
const SENTENCE: &str = "\
    a after all an and any are as at be been before but by can cannot could did does down due error fail failure for from had has have if in into \
    is it lost no not of off ok on or out over since success than that the this to up was were when will with without";

/// What programs do, as in `failed to open`.
const VERBS: &str = "\
    accept access acquire add allocate allow answer append apply assign attach authenticate authorize begin bind build call cancel check clean \
    clear close commit complete compute configure connect convert copy create decode decompress decrypt delete deliver deny destroy detach detect \
    disable disconnect download drop enable encode encrypt end enter execute exit expire export extract fetch find finish flush fork free generate \
    get handle import initialize insert install join kill launch leave listen load lock log login logout lookup map match merge migrate mount move \
    open parse perform process publish pull push put query queue read receive reconnect record recover refresh refuse register reject release \
    reload remove rename renew replace reply request reserve reset resize resolve restart restore resume retrieve retry return revoke rollback run \
    save scan schedule select send serialize serve set shutdown sign skip sleep spawn start stop store submit subscribe suspend switch sync \
    terminate unload unlock unmount unregister update upgrade upload use validate verify wait write";

/// What goes with a number and may change with it.
const UNITS: &str = "\
    b byte bytes d day days g gb ghz gib h hour hours hz k kb kb/s khz kib m mb mb/s mhz mib microseconds milliseconds min mins minute minutes ms \
    ns pb s sec second seconds secs t tb tib us week weeks";

static STRUCTURE: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(SENTENCE).union(&set(VERBS)).copied().collect());
static UNIT: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(UNITS));

fn set(words: &'static str) -> HashSet<&'static [u8]> {
    words.split_ascii_whitespace().map(str::as_bytes).collect()
}

/// Whether a word holds a sentence together, says what happens, or names a fault. Such a word is the value of nothing.
pub(super) fn is_structure(word: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
    FAULT_ENDINGS.iter().any(|ending| word.ends_with(ending))
        || lower(word, |word| {
            let verb = VERB_ENDINGS.iter().any(|ending| word.len() > ending.len() + 2 && word.ends_with(ending));
            verb && word.iter().all(is_plain) || STRUCTURE.contains(word)
        })
}

/// Whether a word is a unit of time, size or rate.
pub(super) fn is_unit(word: &[u8]) -> bool {
    lower(word, |word| UNIT.contains(word))
}

/// Asks about a word in lower case.
fn lower(word: &[u8], asks: impl Fn(&[u8]) -> bool) -> bool {
    let mut lower = [0; LONGEST];
    let Some(lower) = lower.get_mut(..word.len()) else { return false };
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    asks(lower)
}
