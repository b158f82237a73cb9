//! The kinds of checks: one file each, one line each.

use super::CheckKind;

/// Every kind, in the order in which reports list them.
pub const ALL: &[&dyn CheckKind] = &[];
