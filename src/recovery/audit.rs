//! The audit: an append-only record of who asked for what, what was decided and how it ended, chained by hashes.
//!
//! Each line's hash covers its number, its time, its text and the hash before it, so that a line that was changed, left out or moved breaks the
//! chain. Lines cut off at the end show against the recorded head; who can rewrite both can rewrite everything, and shows only against a head that
//! was kept elsewhere (`opsmedic audit verify --head`).

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Action, Actor, JournalError, Operation, State};
use crate::types::{ids::OperationId, issue::IssueType, target::TargetName};

/// What the first line has as the hash before it.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Who caused it.
    pub who: Actor,
    /// What: a state of an operation, `intent`, `undo_intent`, `refused`, `declined`, `escalated`, or a person's act such as `halted`.
    pub event: String,
    /// On which operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<OperationId>,
    /// On which target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// For which issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_type: Option<IssueType>,
    /// Which action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Of which plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// In our words: the outcome, the refusal's code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Why, in the caller's words; untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrusted_reason: Option<String>,
}

impl AuditEvent {
    /// What the present state of an operation says.
    pub fn of(operation: &Operation) -> Self {
        let last = operation.attempts.last();
        let (event, action) = match operation.state {
            State::Running if last.is_some_and(|a| a.undo) => ("undo_intent", last.map(|a| a.action)),
            State::Running => ("intent", last.map(|a| a.action)),
            state => (state.name(), state.is_final().then(|| last.map(|a| a.action)).flatten()),
        };
        let approval = operation.state == State::Approved;
        let who = match &operation.approved_by {
            Some(approver) if approval && operation.approved_by_person() => {
                Actor { via: "command line".to_owned(), os_user: approver.clone(), ..Default::default() }
            }
            _ if approval && operation.consent.is_some() => operation.consent.clone().unwrap_or_default(),
            _ => operation.requested_by.clone(),
        };
        Self {
            who,
            event: event.to_owned(),
            operation_id: Some(operation.operation_id.clone()),
            target: Some(operation.target.clone()),
            issue_type: Some(operation.issue_type),
            action,
            plan_digest: Some(operation.plan.digest.clone()),
            // How to approve is for who asked, not for the record.
            detail: if operation.state == State::Planned { format!("waits for approval until {}", operation.expires_at) } else { operation.message.clone() },
            untrusted_reason: Some(operation.untrusted_reason.clone()),
        }
    }
}

/// A line of the audit as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number, from 1 without gaps.
    pub number: i64,
    /// When, milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// The event as JSON, exactly as it was hashed.
    pub text: String,
    /// The hash of the line before.
    pub previous: String,
    /// SHA-256 over number, time, text and the hash before, hex.
    pub hash: String,
}

impl AuditLine {
    /// A line that follows one with this number and hash.
    pub fn after(number: i64, previous: String, at: Timestamp, text: String) -> Self {
        let mut line = Self { number: number + 1, at_ms: at.as_millisecond(), text, previous, hash: String::new() };
        line.hash = line.digest();
        line
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for field in [self.number.to_string(), self.at_ms.to_string(), self.text.clone(), self.previous.clone()] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The event; none if the text is not one of this version.
    pub fn event(&self) -> Option<AuditEvent> {
        serde_json::from_str(&self.text).ok()
    }
}

/// Walks the chain line by line and collects what is wrong.
#[derive(Debug, Default)]
pub struct Verifier {
    number: i64,
    hash: String,
    problems: Vec<String>,
}

impl Verifier {
    /// Problems beyond so many are only counted.
    const MOST: usize = 100;

    /// At the beginning of the chain.
    pub fn new() -> Self {
        Self { number: 0, hash: GENESIS.to_owned(), problems: Vec::new() }
    }

    /// Takes the next line, in the order in which the store has them.
    pub fn take(&mut self, line: &AuditLine) {
        if line.number != self.number + 1 {
            self.wrong(format!("line {} follows line {}: lines are missing or out of order", line.number, self.number));
        } else if line.previous != self.hash {
            self.wrong(format!("line {} does not follow the line before it: one of them was changed or replaced", line.number));
        }
        if line.digest() != line.hash {
            self.wrong(format!("line {} was changed: its hash does not fit its text", line.number));
        }
        self.number = line.number;
        self.hash.clone_from(&line.hash);
    }

    /// The store files a line under another operation than its text names.
    pub fn misfiled(&mut self, line: &AuditLine) {
        self.wrong(format!("line {} is filed under another operation than its text names", line.number));
    }

    /// The last line's number and hash are to be these.
    pub fn end(mut self, head: Option<(i64, String)>) -> Verified {
        match head {
            Some((number, hash)) if number != self.number || hash != self.hash => {
                self.wrong(format!("the record says that line {number} is the last, the lines end with {}: lines are missing at the end", self.number));
            }
            None if self.number > 0 => self.wrong("the record of the last line is missing".to_owned()),
            _ => {}
        }
        Verified { lines: self.number, head: self.hash, intact: self.problems.is_empty(), problems: self.problems }
    }

    fn wrong(&mut self, problem: String) {
        if self.problems.len() < Self::MOST {
            self.problems.push(problem);
        }
    }
}

/// What a walk over the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether nothing is wrong.
    pub intact: bool,
    /// The number of the last line.
    pub lines: i64,
    /// The hash of the last line: keep it elsewhere to notice a rewritten chain.
    pub head: String,
    /// What is wrong, the first hundred.
    pub problems: Vec<String>,
}

/// Where the audit is kept. What the journal writes of operations is audited by the store itself, in the same transaction.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Adds a line for what no operation records, such as a refusal.
    ///
    /// # Errors
    /// A store that cannot be written.
    async fn append(&self, event: &AuditEvent, at: Timestamp) -> Result<(), JournalError>;

    /// The newest lines, oldest first; of one operation only, if one is named.
    ///
    /// # Errors
    /// A store that cannot be read.
    async fn lines(&self, operation: Option<&OperationId>, limit: u32) -> Result<Vec<AuditLine>, JournalError>;

    /// Walks the whole chain.
    ///
    /// # Errors
    /// A store that cannot be read.
    async fn verify_chain(&self) -> Result<Verified, JournalError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(length: i64) -> Vec<AuditLine> {
        let mut lines: Vec<AuditLine> = Vec::new();
        for n in 0..length {
            let previous = lines.last().map_or_else(|| GENESIS.to_owned(), |l| l.hash.clone());
            lines.push(AuditLine::after(n, previous, Timestamp::UNIX_EPOCH, format!("{{\"event\":\"{n}\"}}")));
        }
        lines
    }

    fn verify(lines: &[AuditLine], head: &(i64, String)) -> Vec<String> {
        let mut verifier = Verifier::new();
        lines.iter().for_each(|line| verifier.take(line));
        verifier.end(Some(head.clone())).problems
    }

    #[test]
    fn every_change_omission_and_swap_is_found() {
        let lines = chain(5);
        let head = (5, lines[4].hash.clone());
        assert_eq!(verify(&lines, &head), Vec::<String>::new());
        for victim in 0..5 {
            let mut changed = lines.clone();
            changed[victim].text.push(' ');
            assert!(!verify(&changed, &head).is_empty(), "text {victim}");
            let mut moved = lines.clone();
            moved[victim].at_ms += 1;
            assert!(!verify(&moved, &head).is_empty(), "time {victim}");
            let mut rehashed = lines.clone();
            rehashed[victim].text.push(' ');
            rehashed[victim].hash = rehashed[victim].digest();
            assert!(!verify(&rehashed, &head).is_empty(), "changed with a fitting hash {victim}");
            let mut missing = lines.clone();
            missing.remove(victim);
            assert!(!verify(&missing, &head).is_empty(), "missing {victim}");
            let mut swapped = lines.clone();
            swapped.swap(victim, (victim + 1) % 5);
            assert!(!verify(&swapped, &head).is_empty(), "swapped {victim}");
        }
        assert!(!verify(&[], &head).is_empty(), "all gone");
    }
}
