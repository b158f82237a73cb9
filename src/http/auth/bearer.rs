//! The credential in a request's head. Nowhere else is one looked for: what stands in a URL ends up in logs and histories.

use axum::http::{HeaderMap, header};

/// No token is longer.
const MAX_BYTES: usize = 8_192;

/// What a head says of who calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential<'h> {
    /// Nothing.
    None,
    /// A bearer token.
    Token(&'h str),
    /// Something that is none.
    Malformed,
}

/// Finds the credential: exactly one header, `Bearer`, one space, and the characters of a token.
pub(super) fn credential(headers: &HeaderMap) -> Credential<'_> {
    let mut named = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (named.next(), named.next()) {
        (None, _) => return Credential::None,
        (Some(value), None) => value,
        _ => return Credential::Malformed,
    };
    let token = value.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    token.map(|(_, token)| token).filter(|token| is_token(token)).map_or(Credential::Malformed, Credential::Token)
}

/// `b64token` of RFC 6750.
pub(super) fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && text.len() <= MAX_BYTES && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_one_well_formed_token_is_one() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
            }
            match credential(&headers) {
                Credential::Token(token) => Some(Some(token.to_owned())),
                Credential::None => Some(None),
                Credential::Malformed => None,
            }
        };
        assert_eq!(of(&[]), Some(None));
        for good in ["Bearer abc-._~+/123==", "bearer abc-._~+/123==", "BEARER abc-._~+/123=="] {
            assert_eq!(of(&[good]), Some(Some("abc-._~+/123==".to_owned())), "{good}");
        }
        let long = format!("Bearer {}", "a".repeat(8_193));
        for wrong in
            ["", "Bearer", "Bearer ", "Bearer  abc", "Bearer abc ", "Bearer a b", "Bearer a,b", "Bearer =", "Bearer a=b", "Basic abc", "abc", "Bearer ä", &long]
        {
            assert_eq!(of(&[wrong]), None, "{wrong}");
        }
        assert_eq!(of(&["Bearer abc", "Bearer abc"]), None, "which of the two would count?");
    }
}
