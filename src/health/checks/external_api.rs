//! Whether the outside services that the application needs answer.
//!
//! All endpoints at once, one GET each; down if any is. Healthy is a status below 400 (the seed's rule), so a redirect is healthy and is not followed.
//! Bodies are not read: the time is that until the headers.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use crate::health::settings::{GRACE, TimeoutMs, ms};
use crate::health::{Check, CheckKind, Reading, Scope, State, check::Settings, outcome};
use crate::ports::{
    Ports,
    http::{HttpUrl, Request},
};
use crate::types::secret::Secret;

/// The kind `external_api`.
pub(super) struct ExternalApi;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    endpoint: Vec<Endpoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    name: String,
    url: HttpUrl,
    #[serde(default = "default_timeout")]
    timeout_ms: TimeoutMs,
    #[serde(default = "default_healthy_below")]
    healthy_below: u16,
}

fn default_timeout() -> TimeoutMs {
    TimeoutMs::of(10_000)
}

fn default_healthy_below() -> u16 {
    400
}

impl CheckKind for ExternalApi {
    fn name(&self) -> &'static str {
        "external_api"
    }

    fn summary(&self) -> &'static str {
        "every outside service answers with a status below 400"
    }

    fn example(&self) -> &'static str {
        "[[health.external_api.endpoint]]\nname = \"payments\"\nurl = \"https://payments.example.com/health\"\ntimeout_ms = 10000\nhealthy_below = 400\n"
    }

    fn build(&self, settings: Settings<'_>) -> Result<Box<dyn Check>, toml::de::Error> {
        use serde::de::Error as _;
        let config = Config::deserialize(settings)?;
        for (i, endpoint) in config.endpoint.iter().enumerate() {
            if endpoint.name.trim().is_empty() || endpoint.name.len() > 64 || endpoint.name.chars().any(char::is_control) {
                return Err(toml::de::Error::custom("the name of an endpoint has 1 to 64 bytes and no control characters"));
            }
            if config.endpoint[..i].iter().any(|other| other.name == endpoint.name) {
                return Err(toml::de::Error::custom(format!("two endpoints have the name {}", endpoint.name)));
            }
            if !(100..=600).contains(&endpoint.healthy_below) {
                return Err(toml::de::Error::custom("healthy_below is a status code from 100 to 600"));
            }
        }
        Ok(Box::new(Endpoints(config.endpoint)))
    }
}

struct Endpoints(Vec<Endpoint>);

#[async_trait]
impl Check for Endpoints {
    fn deadline(&self) -> Duration {
        self.0.iter().map(|e| e.timeout_ms.duration()).max().unwrap_or_default() + GRACE
    }

    fn scope(&self) -> Scope {
        Scope::Remote
    }

    async fn run(&self, ports: &Ports) -> Reading {
        let readings = futures::future::join_all(self.0.iter().map(|e| e.ask(ports))).await;
        let worst = readings.iter().map(|r| r.state).max().unwrap_or(State::Skipped);
        let trouble: Vec<String> =
            self.0.iter().zip(&readings).filter(|(_, r)| r.state > State::Ok).map(|(e, r)| format!("{}: {}", e.name, r.message)).collect();
        let message = match (readings.len(), trouble.len()) {
            (0, _) => "no endpoint is configured".to_owned(),
            (all, 0) => format!("{all} of {all} answer"),
            (all, bad) => format!("{} of {all} answer; {}", all - bad, trouble.join("; ")),
        };
        let mut reading = Reading::new(worst, Scope::Remote, message);
        for mut one in readings {
            reading.measurements.append(&mut one.measurements);
            reading.thresholds.append(&mut one.thresholds);
        }
        reading
    }

    fn secrets(&self) -> Vec<Secret> {
        self.0.iter().flat_map(|e| e.url.secrets()).collect()
    }
}

impl Endpoint {
    async fn ask(&self, ports: &Ports) -> Reading {
        let request = Request::get(self.url.expose(), self.timeout_ms.duration(), 0);
        let (status, elapsed) = match ports.http.send(&request).await {
            Ok(response) => (response.status, response.elapsed),
            Err(error) => return outcome::of_http(&error, self.timeout_ms),
        };
        let bad = status >= self.healthy_below;
        let name = &self.name;
        Reading::new(if bad { State::Down } else { State::Ok }, Scope::Remote, format!("answers {status}"))
            .measure(format!("response_time:{name}"), ms(elapsed), "ms")
            .measure(format!("status_code:{name}"), f64::from(status), "code")
            .threshold(format!("status_code:{name}"), format!("down at >= {}", self.healthy_below), bad)
    }
}
