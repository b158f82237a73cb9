//! What the formats share: the reader of a file's lines and how it detects their format, reading the fields of a line's head and of a JSON
//! object, what continues a record, and a user's own formats.

mod clean;
pub(super) mod continuation;
mod detect;
pub(super) mod fields;
pub(super) mod object;
pub(super) mod own;
pub(super) mod php;
pub(super) mod reader;
pub(super) mod text;
