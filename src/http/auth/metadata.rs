//! What this server tells of itself as a protected resource (RFC 9728), and how it challenges callers (RFC 6750).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use serde_json::json;

use crate::{
    http::{Settings, refuse},
    recovery::Action,
    types::access::Scope,
};

/// Where the document is, and below it again with the resource's path.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What is known of the resource.
pub(super) struct Metadata {
    document: String,
    /// Paths that it is found at.
    paths: Vec<String>,
    /// Its URL, for challenges.
    url: Arc<str>,
}

impl Metadata {
    pub(super) fn new(settings: &Settings, address: SocketAddr) -> Self {
        let auth = settings.auth.as_ref();
        let resource = auth.and_then(|auth| auth.resource.clone()).unwrap_or_else(|| default_resource(settings, address));
        let begin = resource.find("://").map_or(0, |at| at + 3);
        let (server, path) = resource.split_at(resource[begin..].find('/').map_or(resource.len(), |at| begin + at));
        let path = path.trim_end_matches('/');
        let url = format!("{server}{WELL_KNOWN}{path}").into();
        let paths = vec![WELL_KNOWN.to_owned(), format!("{WELL_KNOWN}/mcp"), format!("{WELL_KNOWN}{path}")];
        let mut document = json!({
            "resource": resource,
            "resource_name": "opsmedic",
            "scopes_supported": scopes().iter().map(Scope::as_str).collect::<Vec<_>>(),
            "bearer_methods_supported": ["header"],
        });
        if let Some(jwt) = auth.and_then(|auth| auth.jwt.as_ref()) {
            document["authorization_servers"] = json!([jwt.issuer]);
        }
        Self { document: document.to_string(), paths, url }
    }

    /// The document, if that is what is asked for. Whoever has no credential yet must be able to read it.
    pub(super) fn answer(&self, method: &Method, path: &str) -> Option<Response<Body>> {
        if !self.paths.iter().any(|known| known == path) {
            return None;
        }
        if method != Method::GET && method != Method::HEAD {
            return Some(refuse(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "this document is only read", "use GET"));
        }
        let mut response = Response::new(Body::from(self.document.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(response)
    }

    pub(super) fn challenges(&self) -> Challenges {
        Challenges(self.url.clone())
    }
}

/// Every scope that there is.
fn scopes() -> Vec<Scope> {
    let actions = Action::ALL.iter().map(|action| Scope::recover(action.name()));
    [Scope::read()].into_iter().chain(actions).chain([Scope::recover("*")]).collect()
}

/// Made of the configuration and the address, never of what a caller calls this server.
fn default_resource(settings: &Settings, address: SocketAddr) -> String {
    let scheme = if settings.encrypted() { "https" } else { "http" };
    let host = match settings.allowed_hosts.first() {
        // "All addresses" is none to call.
        Some(host) if address.ip().is_unspecified() => host.clone(),
        _ => address.to_string(),
    };
    format!("{scheme}://{host}/mcp")
}

/// Refuses callers the way that clients can act on. A request whose credential was checked carries it.
#[derive(Debug, Clone)]
pub struct Challenges(Arc<str>);

impl Challenges {
    /// 401: there is no credential, or a bad one.
    pub(super) fn unauthorized(&self, wrong: Option<&str>) -> Response<Body> {
        let (message, error) = match wrong {
            None => ("this server needs a credential", format!("scope=\"{}\"", Scope::read())),
            Some(why) => (why, format!("error=\"invalid_token\", error_description=\"{why}\"")),
        };
        let hint = "send a token in the header Authorization: Bearer; a person gives it out, or the authorization server that the metadata names";
        self.challenge(refuse(StatusCode::UNAUTHORIZED, "unauthorized", message, hint), &error)
    }

    /// 403: who calls is known, and may not do this without these scopes.
    pub fn forbidden(&self, needed: &[Scope]) -> Response<Body> {
        let needed = needed.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
        let message = format!("this needs the scope {needed}");
        let response = refuse(StatusCode::FORBIDDEN, "insufficient_scope", &message, "a person gives this client a token with that scope");
        self.challenge(response, &format!("error=\"insufficient_scope\", scope=\"{needed}\""))
    }

    fn challenge(&self, mut response: Response<Body>, more: &str) -> Response<Body> {
        // All parts are plain text of ours or of the checked configuration.
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {more}, resource_metadata=\"{}\"", self.0)) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{AuthSettings, TlsSettings};

    #[test]
    fn the_resource_is_named_by_the_configuration() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let auth = |resource: Option<&str>| Some(AuthSettings { resource: resource.map(str::to_owned), ..AuthSettings::default() });
        let url = |settings: &Settings, at: &str| Metadata::new(settings, address(at)).url.to_string();
        let plain = Settings { auth: auth(None), ..Settings::default() };
        assert_eq!(url(&plain, "127.0.0.1:8642"), "http://127.0.0.1:8642/.well-known/oauth-protected-resource/mcp");
        let tls = TlsSettings { cert_file: "/c".into(), key_file: "/k".into(), client_ca_file: None };
        let tls = Settings { auth: auth(None), tls: Some(tls), allowed_hosts: vec!["ops.example.com:8642".to_owned()], ..Settings::default() };
        assert_eq!(url(&tls, "[::]:8642"), "https://ops.example.com:8642/.well-known/oauth-protected-resource/mcp");
        let named = Settings { auth: auth(Some("https://ops.example.com/a/mcp/")), ..Settings::default() };
        assert_eq!(url(&named, "0.0.0.0:1"), "https://ops.example.com/.well-known/oauth-protected-resource/a/mcp");
        let metadata = Metadata::new(&named, address("0.0.0.0:1"));
        for path in ["", "/mcp", "/a/mcp"] {
            assert!(metadata.answer(&Method::GET, &format!("{WELL_KNOWN}{path}")).is_some(), "{path}");
        }
        assert!(metadata.answer(&Method::GET, &format!("{WELL_KNOWN}/../mcp")).is_none());
        assert_eq!(metadata.answer(&Method::POST, WELL_KNOWN).map(|r| r.status()), Some(StatusCode::METHOD_NOT_ALLOWED));
    }
}
