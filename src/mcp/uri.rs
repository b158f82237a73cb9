//! The addresses of resources: `opsmedic://`, plain segments, and a query of known names. Nothing is decoded, so nothing can hide.

use std::collections::BTreeMap;

use super::ToolError;

/// What every address begins with.
pub(super) const SCHEME: &str = "opsmedic://";
/// The longest address.
const MOST_BYTES: usize = 512;

/// Values by the variables of a template.
pub(super) type Values = BTreeMap<&'static str, String>;

/// An address taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address<'u> {
    segments: Vec<&'u str>,
    query: Vec<(&'u str, &'u str)>,
}

fn malformed(why: &str) -> ToolError {
    ToolError::new("unknown_resource", format!("no resource has this uri: {why}"), "resources/list and resources/templates/list show what there is")
}

/// What a segment and a value are made of.
fn plain(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

impl<'u> Address<'u> {
    /// Takes an address apart.
    ///
    /// # Errors
    /// What it must look like.
    pub(super) fn parse(uri: &'u str) -> Result<Self, ToolError> {
        if uri.len() > MOST_BYTES {
            return Err(malformed("it is longer than 512 bytes"));
        }
        let rest = uri.strip_prefix(SCHEME).ok_or_else(|| malformed("uris here begin with opsmedic://"))?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let segments: Vec<&str> = path.split('/').collect();
        if !segments.iter().all(|segment| plain(segment)) {
            return Err(malformed("its parts are ASCII letters, digits, '_', '-' and '.', without '..', '*' or '%'"));
        }
        let pair = |pair: &'u str| pair.split_once('=').filter(|(name, value)| plain(name) && plain(value));
        let query: Option<Vec<_>> = query.map_or(Some(Vec::new()), |query| query.split('&').map(pair).collect());
        let query = query.ok_or_else(|| malformed("a query is name=value, joined by '&'"))?;
        Ok(Self { segments, query })
    }

    /// The values of a template's variables, where this address is of its form.
    ///
    /// # Errors
    /// The form fits and its query does not.
    pub(super) fn fits(&self, template: &'static str) -> Option<Result<Values, ToolError>> {
        let path = path(template);
        let segments: Vec<&'static str> = path.split('/').collect();
        let mut values = Values::new();
        if segments.len() != self.segments.len() {
            return None;
        }
        for (want, have) in segments.iter().zip(&self.segments) {
            match want.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => drop(values.insert(name, (*have).to_owned())),
                None if want == have => {}
                None => return None,
            }
        }
        for (name, value) in &self.query {
            let Some(known) = options(template).find(|option| option == name) else {
                return Some(Err(malformed("its query has a name that is not known here")));
            };
            if values.insert(known, (*value).to_owned()).is_some() {
                return Some(Err(malformed("a name stands twice in its query")));
            }
        }
        Some(Ok(values))
    }
}

/// A template without its scheme and the list of its options.
fn path(template: &'static str) -> &'static str {
    let rest = template.strip_prefix(SCHEME).unwrap_or(template);
    rest.split_once("{?").map_or(rest, |(path, _)| path)
}

/// The names that may stand in the query.
fn options(template: &'static str) -> impl Iterator<Item = &'static str> {
    let list = template.split_once("{?").and_then(|(_, list)| list.strip_suffix('}')).unwrap_or_default();
    list.split(',').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "opsmedic://playbooks/{id}{?lang,target}";

    #[test]
    fn variables_are_read_and_nothing_else_fits() {
        let fits = |uri: &str| Address::parse(uri).ok()?.fits(TEMPLATE).and_then(Result::ok);
        let values = |pairs: &[(&'static str, &str)]| Some(pairs.iter().map(|(k, v)| (*k, (*v).to_owned())).collect::<Values>());
        assert_eq!(fits("opsmedic://playbooks/disk_full"), values(&[("id", "disk_full")]));
        assert_eq!(fits("opsmedic://playbooks/disk_full?target=shop-1&lang=zh"), values(&[("id", "disk_full"), ("lang", "zh"), ("target", "shop-1")]));
        for wrong in [
            "opsmedic://playbooks",
            "opsmedic://playbooks/",
            "opsmedic://playbooks/a/b",
            "opsmedic://playbook/a",
            "OPSMEDIC://playbooks/a",
            "file:///etc/passwd",
            "opsmedic://playbooks/..",
            "opsmedic://playbooks/*",
            "opsmedic://playbooks/%2e%2e",
            "opsmedic://playbooks/a?",
            "opsmedic://playbooks/a?lang",
            "opsmedic://playbooks/a?lang=",
            "opsmedic://playbooks/a?part=1",
            "opsmedic://playbooks/a?lang=en&lang=zh",
            "opsmedic://playbooks/a?id=b",
            "opsmedic://playbooks/a#b",
            "opsmedic://playbooks/a b",
            "opsmedic://playbooks/a\n",
            "",
            "opsmedic://",
        ] {
            assert_eq!(fits(wrong), None, "{wrong:?}");
        }
        assert!(Address::parse(&format!("opsmedic://{}", "a".repeat(600))).is_err());
    }
}
