//! What recovery may act on: names from the inventory, and the policy of each.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a target in the inventory: 1 to 64 of `a-z A-Z 0-9 . _ -`, beginning with a letter or digit.
///
/// The narrow alphabet keeps wildcards, options and shell characters out before anything looks the name up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, with = "String")]
pub struct TargetName(String);

impl TargetName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = text.bytes();
        let head = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
        let tail = bytes.all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if head && tail && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err("not a target name: 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit; no wildcards".to_owned())
        }
    }
}

impl TryFrom<String> for TargetName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> Self {
        name.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who must agree before something is done to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Policy {
    /// Nothing is ever done.
    Deny,
    /// A person approves each operation on the machine.
    #[default]
    Approve,
    /// Runs at once, under all guards.
    Auto,
}
