//! Host and origin: a web page that a person on this machine visits must not reach this server, whatever name its server pretends to have.

use std::net::SocketAddr;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::Authority},
};

use super::{Settings, refuse};

/// What a browser may send and read, once its page is allowed.
const ALLOW_METHODS: &str = "GET, POST, DELETE, OPTIONS";
const ALLOW_HEADERS: &str = "authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name";
const EXPOSE_HEADERS: &str = "mcp-session-id, www-authenticate, retry-after";

/// A host, and a port where only one will do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let authority = Authority::try_from(text).ok()?;
        // `user@host` is no host, and `host:` or a port that is no number is a slip that must not pass for any port.
        if text.contains('@') || (authority.port_u16().is_none() && text.len() != authority.host().len()) {
            return None;
        }
        Some(Self { name: authority.host().to_ascii_lowercase(), port: authority.port_u16() })
    }

    fn covers(&self, other: &Self) -> bool {
        self.name == other.name && (self.port.is_none() || self.port == other.port)
    }
}

/// Who may be called and from where.
#[derive(Debug)]
pub(super) struct Guard {
    hosts: Vec<Host>,
    origins: Vec<String>,
}

impl Guard {
    /// Loopback names always are this server's own; the address it is bound to as well, unless that means all.
    pub(super) fn new(settings: &Settings, address: SocketAddr) -> Self {
        let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        // A page that came from this server itself, under a name of this machine; it could not come from a server that only pretends.
        let origins = own.iter().map(|name| format!("http://{name}:{}", address.port())).chain(settings.allowed_origins.iter().cloned());
        let origins = origins.map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect();
        let bound = (!address.ip().is_unspecified()).then(|| address.to_string());
        let hosts = own.into_iter().chain(bound).chain(settings.allowed_hosts.iter().cloned());
        Self { hosts: hosts.filter_map(|host| Host::parse(&host)).collect(), origins }
    }

    fn host_is_good(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(header::HOST).iter();
        let host = match (named.next(), named.next(), uri.authority()) {
            (Some(host), None, _) => host.to_str().ok().and_then(Host::parse),
            (None, _, Some(authority)) => Host::parse(authority.as_str()),
            _ => None,
        };
        host.is_some_and(|host| self.hosts.iter().any(|own| own.covers(&host)))
    }

    /// None where there is no origin; `Err` where it is not a good one.
    fn origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, ()> {
        let mut named = headers.get_all(header::ORIGIN).iter();
        match (named.next(), named.next()) {
            (None, _) => Ok(None),
            (Some(origin), None) => {
                let text = origin.to_str().map_err(|_| ())?.to_ascii_lowercase();
                if self.origins.contains(&text) { Ok(Some(origin.clone())) } else { Err(()) }
            }
            _ => Err(()),
        }
    }
}

/// Lets pass what calls this server by one of its names, and not from a page that nobody allowed; answers preflights.
pub(super) async fn check<B, F>(guard: &Guard, request: Request<B>, next: impl FnOnce(Request<B>) -> F) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    if !guard.host_is_good(request.uri(), request.headers()) {
        return refuse(StatusCode::FORBIDDEN, "wrong_host", "this server is not called so", "call it by localhost or a name in http.allowed_hosts");
    }
    let Ok(origin) = guard.origin(request.headers()) else {
        return refuse(StatusCode::FORBIDDEN, "wrong_origin", "this page may not call this server", "a person lists its origin in http.allowed_origins");
    };
    let preflight = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, preflight) {
        (Some(_), true) => no_content(),
        _ => next(request).await,
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSE_HEADERS));
        if preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOW_METHODS));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOW_HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
    response
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let settings = Settings {
            allowed_hosts: vec!["Ops.example.com:8642".to_owned(), "any.example.com".to_owned()],
            allowed_origins: vec!["https://console.example.com".to_owned()],
            ..Settings::default()
        };
        Guard::new(&settings, "10.0.0.7:8642".parse().expect("an address"))
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))).collect()
    }

    #[test]
    fn only_its_own_names_are_good() {
        let guard = guard();
        let good = |host: &str| guard.host_is_good(&Uri::from_static("/mcp"), &headers(&[(header::HOST, host)]));
        for host in
            ["localhost", "LOCALHOST:1", "127.0.0.1:8642", "[::1]:8642", "ops.example.com:8642", "any.example.com", "any.example.com:5", "10.0.0.7:8642"]
        {
            assert!(good(host), "{host}");
        }
        let wrong = [
            "",
            "evil.example",
            "ops.example.com",
            "ops.example.com:1",
            "10.0.0.7:1",
            "localhost.evil.example",
            "evil@localhost",
            "localhost:",
            "localhost:x",
            "127.0.0.2",
            "localhost\u{80}",
            "127.1",
        ];
        for host in wrong {
            assert!(!good(host), "{host}");
        }
        assert!(!guard.host_is_good(&Uri::from_static("/mcp"), &HeaderMap::new()));
        let mut two = headers(&[(header::HOST, "localhost")]);
        two.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!guard.host_is_good(&Uri::from_static("/mcp"), &two));
    }

    #[test]
    fn an_origin_must_be_listed_its_own_or_absent() {
        let guard = guard();
        let of = |origin: &str| guard.origin(&headers(&[(header::ORIGIN, origin)]));
        assert!(guard.origin(&HeaderMap::new()).is_ok_and(|o| o.is_none()));
        for good in ["https://console.example.com", "http://localhost:8642", "http://127.0.0.1:8642", "http://[::1]:8642"] {
            assert!(of(good).is_ok_and(|o| o.is_some()), "{good}");
        }
        for wrong in
            ["null", "", "http://console.example.com", "https://console.example.com:444", "https://console.example.com.evil.example", "http://localhost"]
        {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
