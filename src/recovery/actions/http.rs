//! `http`: sends one configured request, such as to a deployment server. Nothing of the caller gets into it but the target's name and what we made ourselves.
//!
//! - Body, URL behind the host, and header values may hold placeholders, see [`template`].
//! - An expected status is a success, 5xx and a lost answer leave the outcome open (the server may have done it in part), anything else is a failure.
//! - Headers go along to `state_url`, `verify_url` and `undo.url` on the same server, because they carry the credentials; no other server gets them.
//! - Header values, the values in a URL's query and its password never appear in a plan; the body does.

mod template;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, de::Error as _};

use self::template::Template;
use super::{
    Act, ActError, Action, Actuator, ActuatorKind, Context, Postcondition, Prepared, Probe, Settings, Snapshot,
    shared::{SETTLE, changed, restored},
    state_value,
};
use crate::{
    ports::{
        Ports,
        http::{HttpUrl, Method, Request, Response, check_header},
    },
    types::secret::Secret,
};

/// What is kept of an answer; more than the journal keeps, so that no secret is cut in two before it is redacted.
const ANSWER_BYTES: usize = 4_096;
/// The largest state; it is compared as a whole.
const STATE_BYTES: usize = 64 * 1024;
/// The largest body that is sent.
const BODY_BYTES: usize = 64 * 1024;
/// The largest body that a plan shows.
const SHOWN_BYTES: usize = 256;
/// Looking takes this long at the most; shorter than a pre-check may take.
const LOOK: Duration = Duration::from_secs(5);
/// The header by which many backends know a request that was sent before.
const KEY_HEADER: &str = "Idempotency-Key";
/// Headers whose values are no secrets; masking `application/json` wherever it stands would spoil answers.
const PUBLIC_HEADERS: &[&str] = &["accept", "content-type"];

/// The kind.
pub(super) struct Http;

/// `[targets.actions.<action>.http]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What is called.
    url: HttpUrl,
    /// `POST`, `PUT`, `PATCH` or `DELETE`. Default `POST`.
    #[serde(default = "post")]
    method: Method,
    /// On top of `Idempotency-Key`, which is the operation's id unless it is set here.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// Sent as it is, apart from placeholders; as JSON if it looks like JSON and no content type is set.
    #[serde(default)]
    body: Option<String>,
    /// Statuses that mean success, 200 to 499. Default: 200 to 299.
    #[serde(default)]
    expected_status: Vec<u16>,
    /// Seconds until the outcome is unknown. Default 30; 1 to 600.
    #[serde(default = "default_timeout")]
    timeout_seconds: u64,
    /// Answers a GET with what the action changes, and with nothing that moves by itself.
    #[serde(default)]
    state_url: Option<HttpUrl>,
    /// Answers a GET with 2xx once the action has had its effect.
    #[serde(default)]
    verify_url: Option<HttpUrl>,
    /// Brings back the state of before.
    #[serde(default)]
    undo: Option<Undo>,
}

/// `undo = { url = "..", method = "..", body = "..", headers = { .. } }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Undo {
    url: HttpUrl,
    #[serde(default = "post")]
    method: Method,
    #[serde(default)]
    body: Option<String>,
    /// Default: those of the action, if it is the same server.
    #[serde(default)]
    headers: Option<BTreeMap<String, Secret>>,
}

fn post() -> Method {
    Method::Post
}

fn default_timeout() -> u64 {
    30
}

impl ActuatorKind for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn summary(&self) -> &'static str {
        "sends one configured HTTP request; the status decides"
    }

    fn supports(&self) -> &'static [Action] {
        &[Action::RestartService, Action::Failover, Action::Rollback, Action::ClearCache]
    }

    fn example(&self) -> &'static str {
        "[targets.actions.restart_service.http]\nurl = \"http://127.0.0.1:9000/services/{target}/restart\"\nmethod = \"POST\"\n\
         body = '{\"operation\":\"{operation_id}\"}'\nexpected_status = [200, 202]\ntimeout_seconds = 30\n"
    }

    fn build(&self, _action: Action, settings: Settings<'_>) -> Result<Arc<dyn Actuator>, toml::de::Error> {
        let config = Config::deserialize(settings)?;
        Ok(Arc::new(Caller::new(config).map_err(toml::de::Error::custom)?))
    }
}

/// A request that is complete but for its placeholders.
struct Call {
    method: Method,
    url: HttpUrl,
    filled_url: Template,
    headers: Vec<(String, Template)>,
    body: Option<Template>,
    /// As plans show it.
    shown: String,
}

impl Call {
    fn new(method: Method, url: HttpUrl, headers: &BTreeMap<String, Secret>, body: Option<&str>) -> Result<Self, String> {
        let filled_url = Template::parse(url.expose()).map_err(|e| format!("url: {e}"))?;
        if url.server().contains(['{', '}']) {
            return Err("url: placeholders stand behind the host only".to_owned());
        }
        if url.signs_in() && sets(headers, "authorization") {
            return Err(TWO_SIGN_INS.to_owned());
        }
        let mut parsed = Vec::new();
        for (name, value) in headers {
            check_header(name, value)?;
            parsed.push((name.clone(), Template::parse(value.expose()).map_err(|e| format!("header {name}: {e}"))?));
        }
        if !sets(headers, "content-type") && body.is_some_and(|b| b.trim_start().starts_with(['{', '['])) {
            parsed.push(("Content-Type".to_owned(), Template::parse("application/json")?));
        }
        if body.is_some_and(|b| b.len() > BODY_BYTES) {
            return Err(format!("body is larger than {BODY_BYTES} bytes"));
        }
        let shown = shown(method, &url, body);
        Ok(Self { method, url, filled_url, headers: parsed, body: body.map(Template::parse).transpose().map_err(|e| format!("body: {e}"))?, shown })
    }

    fn request(&self, context: &Context, key: String, timeout: Duration) -> Request {
        let mut headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.clone(), Secret::new(value.fill(context)))).collect();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(KEY_HEADER)) {
            headers.push((KEY_HEADER.to_owned(), Secret::new(key)));
        }
        let body = self.body.as_ref().map(|body| body.fill(context));
        let get = Request::get(self.filled_url.fill(context), timeout, ANSWER_BYTES);
        Request { method: self.method, headers, body, cut_body: true, ..get }
    }

    fn secrets(&self) -> Vec<Secret> {
        let mut secrets = self.url.secrets();
        secrets.extend(self.url.query_values());
        let private = self.headers.iter().filter(|(name, _)| !PUBLIC_HEADERS.iter().any(|public| name.eq_ignore_ascii_case(public)));
        for text in private.flat_map(|(_, value)| value.texts()) {
            // `Bearer x` is a secret, and so is `x` alone.
            secrets.extend(std::iter::once(text.trim()).chain(text.split(' ')).map(Secret::new));
        }
        secrets
    }
}

/// Both would be sent, and which one counts is the server's to choose.
const TWO_SIGN_INS: &str = "a URL has a user and there is a header Authorization: write one of them";

fn sets(headers: &BTreeMap<String, Secret>, name: &str) -> bool {
    headers.keys().any(|key| key.eq_ignore_ascii_case(name))
}

/// Method, place and body. What is not shown is bound to an approval all the same, by the target's fingerprint.
fn shown(method: Method, url: &HttpUrl, body: Option<&str>) -> String {
    let place = format!("{} {}", method.name(), url.shown());
    match body {
        None => place,
        Some(body) if body.len() <= SHOWN_BYTES => format!("{place} {}", body.trim()),
        Some(body) => format!("{place} with a body of {} bytes", body.len()),
    }
}

struct Caller {
    act: Call,
    undo: Option<Call>,
    expected: Vec<u16>,
    timeout: Duration,
    state_url: Option<HttpUrl>,
    verify_url: Option<HttpUrl>,
}

impl Caller {
    fn new(config: Config) -> Result<Self, String> {
        if !(1..=600).contains(&config.timeout_seconds) {
            return Err("timeout_seconds is out of range: write 1 to 600".to_owned());
        }
        if config.expected_status.iter().any(|status| !(200..=499).contains(status)) {
            return Err("expected_status holds 200 to 499: a server that answers 5xx does not tell what it did".to_owned());
        }
        if config.undo.is_some() && config.state_url.is_none() {
            return Err("undo needs state_url: it runs only while the state is as the action left it".to_owned());
        }
        let reads = [("state_url", &config.state_url), ("verify_url", &config.verify_url)];
        if let Some((key, _)) = reads.into_iter().find(|(_, url)| url.as_ref().is_some_and(|u| Template::parse(u.expose()).is_ok_and(|t| t.fixed().is_none())))
        {
            return Err(format!("{key} takes no placeholders: it is also read before there is an operation"));
        }
        if reads.into_iter().any(|(_, url)| url.as_ref().is_some_and(HttpUrl::signs_in)) && sets(&config.headers, "authorization") {
            return Err(TWO_SIGN_INS.to_owned());
        }
        let undo = config.undo.map(|undo| {
            let same = undo.url.server() == config.url.server();
            let headers = undo.headers.unwrap_or_else(|| if same { config.headers.clone() } else { BTreeMap::new() });
            Call::new(undo.method, undo.url, &headers, undo.body.as_deref()).map_err(|e| format!("undo: {e}"))
        });
        Ok(Self {
            act: Call::new(config.method, config.url, &config.headers, config.body.as_deref())?,
            undo: undo.transpose()?,
            expected: config.expected_status,
            timeout: Duration::from_secs(config.timeout_seconds),
            state_url: config.state_url,
            verify_url: config.verify_url,
        })
    }

    /// Reads; headers with placeholders stay out, since there may be no operation yet.
    async fn read(&self, ports: &Ports, url: &HttpUrl, max_body_bytes: usize) -> Result<Response, String> {
        let mut request = Request::get(url.expose(), LOOK, max_body_bytes);
        if url.server() == self.act.url.server() {
            let fixed = self.act.headers.iter().filter_map(|(name, value)| Some((name.clone(), Secret::new(value.fixed()?))));
            request.headers = fixed.collect();
        }
        let response = ports.http.send(&request).await.map_err(|e| format!("GET {}: {e}", url.shown()))?;
        match response.status {
            200..=299 => Ok(response),
            status => Err(format!("GET {} answered {status}", url.shown())),
        }
    }

    async fn call(&self, ports: &Ports, call: &Call, expected: &[u16], request: &Request) -> Result<Act, ActError> {
        let place = format!("{} {}", call.method.name(), call.url.shown());
        let response = match ports.http.send(request).await {
            Ok(response) => response,
            Err(error) if error.never_sent() => return Err(ActError::failed(format!("{place}: {error}; nothing was sent"))),
            Err(error) => return Err(ActError::unknown(format!("{place}: {error}; it may have been received"))),
        };
        let status = response.status;
        let text = String::from_utf8_lossy(&response.body);
        let untrusted_output = (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let act = |message| Act { message, untrusted_output, ..Default::default() };
        let wanted = if expected.is_empty() { (200..300).contains(&status) } else { expected.contains(&status) };
        match status {
            _ if wanted => Ok(act(format!("{place} answered {status}"))),
            500.. => Err(ActError::Unknown(act(format!("{place} answered {status}; it may have been done in part")))),
            300..=399 => Err(ActError::Failed(act(format!("{place} answered {status}; redirects are not followed: point url at where it leads")))),
            _ => Err(ActError::Failed(act(format!("{place} answered {status}")))),
        }
    }
}

#[async_trait]
impl Actuator for Caller {
    fn kind(&self) -> &'static str {
        Http.name()
    }

    async fn prepare(&self, ports: &Ports) -> Result<Prepared, String> {
        let mut prepared = Prepared { call: self.act.shown.clone(), undo: self.undo.as_ref().map(|undo| undo.shown.clone()), ..Default::default() };
        match self.observe(ports).await {
            Ok(state) => prepared.prior = state,
            // What cannot be saved cannot be brought back. Without an undo a state that is down with the rest is no reason to do nothing.
            Err(why) if self.undo.is_some() => return Err(format!("the state cannot be saved for the undo: {why}")),
            Err(why) => prepared.effect = Some(format!("the state before is not known: {why}")),
        }
        Ok(prepared)
    }

    async fn act(&self, ports: &Ports, _prepared: &Prepared, context: &Context) -> Result<Act, ActError> {
        let request = self.act.request(context, context.operation.to_string(), self.timeout);
        let mut act = self.call(ports, &self.act, &self.expected, &request).await?;
        match self.observe(ports).await {
            Ok(state) => act.left = state,
            Err(why) => act.message = format!("{}; the state afterwards is not known: {why}", act.message),
        }
        Ok(act)
    }

    /// A state that moved on is no objection. Backends answer before they are done, so the state right after the call is often one on the way; calling
    /// that a failure would set the next action on a target that is well. Whether it is well says its own check; `verify_url` is for those who know more.
    async fn verify(&self, ports: &Ports, left: &Snapshot) -> Postcondition {
        if let Some(url) = &self.verify_url {
            return match self.read(ports, url, 0).await {
                Ok(response) => Postcondition::Holds(format!("GET {} answers {}", url.shown(), response.status)),
                Err(why) => Postcondition::NotYet(why),
            };
        }
        if self.state_url.is_none() || left.is_empty() {
            return Postcondition::Holds(String::new());
        }
        match self.observe(ports).await {
            Ok(now) if now == *left => Postcondition::Holds("the state is as the action left it".to_owned()),
            Ok(_) => Postcondition::Holds("the state has moved on since the action; verify_url would tell whether that is right".to_owned()),
            Err(why) => Postcondition::NotYet(why),
        }
    }

    async fn probe(&self, ports: &Ports, prior: &Snapshot) -> Probe {
        if self.state_url.is_none() {
            return Probe::CannotTell("without state_url there is nothing that could be looked at".to_owned());
        }
        changed(prior, self.observe(ports).await)
    }

    async fn observe(&self, ports: &Ports) -> Result<Snapshot, String> {
        let Some(url) = &self.state_url else { return Ok(Snapshot::new()) };
        let response = self.read(ports, url, STATE_BYTES).await?;
        Ok(Snapshot::from([("state".to_owned(), state_value(&String::from_utf8_lossy(&response.body)))]))
    }

    async fn undo(&self, ports: &Ports, prior: &Snapshot, context: &Context) -> Result<Act, ActError> {
        let Some(undo) = &self.undo else { return Err(ActError::failed("there is no way back from this action")) };
        // Its own key: under that of the act a backend would answer with the act's result and do nothing.
        let request = undo.request(context, format!("{}-undo", context.operation), self.timeout);
        let act = self.call(ports, undo, &[], &request).await?;
        restored(self, ports, prior, act, SETTLE).await
    }

    fn secrets(&self) -> Vec<Secret> {
        let reads = [&self.state_url, &self.verify_url].into_iter().flatten();
        let reads = reads.flat_map(|url| url.secrets().into_iter().chain(url.query_values()));
        self.act.secrets().into_iter().chain(self.undo.iter().flat_map(Call::secrets)).chain(reads).collect()
    }
}
