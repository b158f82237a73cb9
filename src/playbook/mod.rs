//! Playbooks: what to do, step by step, when something is wrong with a running system.
//!
//! A playbook is a folder with its steps once (`steps.toml`) and their text twice (`en.md`, `zh.md`). [`library`] holds the built-in
//! ones, [`select`] finds one by id and lets a user's folder add or override whole playbooks, [`render`] fills a target's values into
//! the commands and writes the result for a person.
//!
//! Runs nothing, calls no tool, watches nothing: a rendered playbook is advice. Knows neither the configuration nor the inventory;
//! whoever asks hands over the target's values as [`Facts`].
//!
//! **Invariant:** a [`Library`] that exists is whole. Every step has its text, every reference leads to a step, and every step that can
//! disturb or destroy asks for a person's approval; all of that is checked when it is loaded, for a user's playbooks too.

pub mod library;
pub mod model;
pub mod render;
pub mod select;
mod template;
#[cfg(test)]
mod tests;
mod text;

pub use model::PlaybookError;
pub use render::{Facts, RenderedPlaybook, to_markdown};
pub use select::{Library, PlaybookSummary};
