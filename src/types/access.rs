//! Who calls, and what they may do.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// Everything that only looks.
const READ: &str = "read";
/// Scopes to act begin with this; the name of an action, or `*`, follows.
const RECOVER: &str = "recover:";

/// One permission: `read`, or `recover:` and the name of an action, such as `recover:restart_service`. `recover:*` covers every action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(String);

impl Scope {
    /// To look.
    pub fn read() -> Self {
        Self(READ.to_owned())
    }

    /// To have this action done.
    pub fn recover(action: &str) -> Self {
        Self(format!("{RECOVER}{action}"))
    }

    /// Reads one, where the actions that there are have these names.
    ///
    /// # Errors
    /// What it must look like.
    pub fn parse(text: &str, actions: &[&str]) -> Result<Self, String> {
        let known = |action: &str| action == "*" || actions.contains(&action);
        match text.strip_prefix(RECOVER) {
            Some(action) if known(action) => Ok(Self(text.to_owned())),
            None if text == READ => Ok(Self::read()),
            _ => Err(format!(
                "unknown scope; write read, recover:* or one of {}",
                actions.iter().map(|a| format!("{RECOVER}{a}")).collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn acts(&self) -> bool {
        self.0.starts_with(RECOVER)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Everything, as a person on this machine may.
    pub fn all() -> Self {
        Self::from_iter([Scope::read(), Scope::recover("*")])
    }

    /// Only to look.
    pub fn read_only() -> Self {
        Self::from_iter([Scope::read()])
    }

    /// Whether this is allowed.
    pub fn allow(&self, scope: &Scope) -> bool {
        self.0.contains(scope) || (scope.acts() && self.0.contains(&Scope::recover("*")))
    }

    /// Whether all of it is allowed.
    pub fn everything(&self) -> bool {
        self.allow(&Scope::read()) && self.0.contains(&Scope::recover("*"))
    }

    /// Whether anything may be acted on.
    pub fn act(&self) -> bool {
        self.0.iter().any(Scope::acts)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// The name of a token: whose it is. It goes into the audit and into a file of tokens, and so has only plain characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenName(String);

impl TokenName {
    /// The longest, in bytes.
    pub const MOST_BYTES: usize = 64;
}

impl FromStr for TokenName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (1..=Self::MOST_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._@".contains(&b));
        if fits { Ok(Self(text.to_owned())) } else { Err(format!("write 1 to {} letters, digits and any of - . _ @", Self::MOST_BYTES)) }
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who calls: what was proven about the caller, never what the caller says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The name of the token, or the subject that signed in; two callers with different names never see each other's approvals, tasks and sessions.
    pub name: String,
    /// What they may do.
    pub scopes: Scopes,
}

impl Principal {
    /// Whoever started this process.
    pub fn local() -> Self {
        Self { name: "local".to_owned(), scopes: Scopes::all() }
    }

    /// Somebody who proved nothing: may look.
    pub fn anonymous() -> Self {
        Self { name: "anonymous".to_owned(), scopes: Scopes::read_only() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_token_is_short_and_plain() {
        let longest = "a".repeat(TokenName::MOST_BYTES);
        for good in ["ci", "a-b.c_d@e9", &longest] {
            assert_eq!(good.parse::<TokenName>().map(|name| name.to_string()).as_deref(), Ok(good));
        }
        for wrong in ["", "a b", "a\"b", "a\nb", "ä", "a:b", &format!("{longest}a")] {
            assert!(wrong.parse::<TokenName>().is_err_and(|why| why.contains("1 to 64")), "{wrong:?}");
        }
    }

    #[test]
    fn a_scope_allows_itself_and_the_star_every_action() {
        let restart = Scope::parse("recover:restart_service", &["restart_service", "failover"]).expect("known");
        let star = Scopes::from_iter([Scope::parse("recover:*", &["failover"]).expect("known")]);
        assert!(star.allow(&restart) && star.act() && !star.allow(&Scope::read()));
        let one = Scopes::from_iter([restart.clone()]);
        assert!(one.allow(&restart) && !one.allow(&Scope::recover("failover")) && !one.allow(&Scope::recover("*")));
        assert!(Scopes::read_only().allow(&Scope::read()) && !Scopes::read_only().act());
        for wrong in ["", "recover", "recover:", "recover:all", "READ", "read ", "recover:restart_service,failover"] {
            assert!(Scope::parse(wrong, &["restart_service", "failover"]).is_err(), "{wrong}");
        }
    }
}
