//! The template miner: messages that differ only in their variable parts become one template.
//!
//! Two stages. [`mask()`] replaces what is variable on sight (numbers, ids, addresses, paths, dates) and is a pure function of one message,
//! so that equal masks can be counted while the log streams by. [`cluster()`] sees all distinct masks at once and finds what only the whole
//! shows: words that vary in one place, such as names of users. Neither knows any particular log, and neither depends on order.

mod cluster;
mod mask;

pub(crate) use cluster::{Clusters, cluster};
pub(crate) use mask::mask;

/// What stands where a variable part stood.
const WILDCARD: &[u8] = b"<*>";

/// Of a longer message only the beginning counts.
const MOST_BYTES: usize = 1_024;
