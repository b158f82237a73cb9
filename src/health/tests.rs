//! The room as a whole: every kind's example, the runner, the service, and how checks fare against servers that mean harm. Real sockets, on loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

mod hostile;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::time::Instant;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::*;
use crate::ports::fake::FakeClock;
use crate::types::secret::Secret;

/// Builds the check of this kind from a whole configuration text.
fn build(kind: &str, text: &str) -> Result<Box<dyn Check>, String> {
    let kind = checks::ALL.iter().find(|k| k.name() == kind).unwrap();
    let mut root = DeTable::parse(text).map_err(|e| e.to_string())?.into_inner();
    let DeValue::Table(mut health) = root.remove("health").unwrap().into_inner() else { panic!("health is a table") };
    let table = health.remove(kind.name()).unwrap();
    kind.build(ValueDeserializer::from(table)).map_err(|e| e.to_string())
}

#[test]
fn every_example_builds_and_has_a_summary() {
    for kind in checks::ALL {
        let check = build(kind.name(), kind.example()).unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
        assert!(check.deadline() >= Duration::from_millis(100), "{}", kind.name());
        assert!(!kind.summary().is_empty() && !kind.summary().contains('\n'));
        let unconfigured = ["disk", "memory", "cpu"].contains(&kind.name());
        assert_eq!(kind.unconfigured().is_some(), unconfigured, "{}", kind.name());
    }
}

#[test]
fn a_wrong_table_is_refused_and_no_secret_is_repeated() {
    for (kind, text) in [
        ("application", "url = \"ftp://canary\""),
        ("application", "url = \"http://169.254.169.254/canary\""),
        ("application", "url = \"http://[fe80::1]/\""),
        ("application", "url = \"http://x/\"\ntimeout_ms = 5"),
        ("application", "url = \"http://x/\"\nunknown = 5"),
        ("application", ""),
        ("database", "url = \"mysql://u:canary@db/x\""),
        ("database", "url = \"postgres://u:canary@db/x\"\ndegraded_at_percent = 95"),
        ("redis", "url = \"http://:canary@cache\""),
        ("disk", "paths = []"),
        ("disk", "paths = [\"relative\"]"),
        ("memory", "max_used_percent = 101"),
        ("cpu", "window_ms = 99"),
        ("network", "hosts = [\"a:b:c:d\", \"x y\"]"),
        ("external_api", "endpoint = [{ name = \"a\", url = \"http://x/\" }, { name = \"a\", url = \"http://y/\" }]"),
    ] {
        let error = build(kind, &format!("[health.{kind}]\n{text}\n")).err().unwrap_or_else(|| panic!("{kind} accepted {text}"));
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn an_error_has_its_place_in_the_file() {
    for kind in ["application", "database", "redis"] {
        let text = format!("[health.{kind}]\ntimeout_ms = 1000\nurl = \"canary\"\n");
        let mut root = DeTable::parse(&text).unwrap().into_inner();
        let DeValue::Table(mut health) = root.remove("health").unwrap().into_inner() else { panic!("health is a table") };
        let known = checks::ALL.iter().find(|k| k.name() == kind).unwrap();
        let error = known.build(ValueDeserializer::from(health.remove(kind).unwrap())).err().unwrap();
        let span = error.span().unwrap_or_else(|| panic!("{kind} has no place: {error}"));
        assert!(text[span.clone()].contains("canary"), "{kind}: {span:?}");
    }
}

#[test]
fn passwords_of_urls_are_known_as_secrets() {
    for (kind, url) in
        [("application", "http://user:canary@127.0.0.1/"), ("database", "postgres://user:canary@127.0.0.1/x"), ("redis", "redis://:canary@127.0.0.1/0")]
    {
        let check = build(kind, &format!("[health.{kind}]\nurl = \"{url}\"\n")).ok().unwrap();
        assert!(check.secrets().iter().any(|s| s.expose() == "canary"), "{kind}");
    }
}

/// A check that does as it is told.
struct Told {
    reading: Reading,
    takes: Duration,
    deadline: Duration,
    panics: bool,
}

fn told(state: State) -> Told {
    Told { reading: Reading::new(state, Scope::Remote, "told"), takes: Duration::ZERO, deadline: Duration::from_secs(1), panics: false }
}

#[async_trait]
impl Check for Told {
    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn scope(&self) -> Scope {
        self.reading.scope
    }

    async fn run(&self, _: &Ports) -> Reading {
        tokio::time::sleep(self.takes).await;
        assert!(!self.panics, "told to panic");
        self.reading.clone()
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![Secret::new("hunter2hunter2")]
    }
}

fn named(name: &str, told: Told) -> NamedCheck {
    NamedCheck::new(name, Box::new(told))
}

#[tokio::test]
async fn checks_run_at_once_bounded_and_isolated() {
    let slow = |scope, ms| Told {
        takes: Duration::from_secs(60),
        deadline: Duration::from_millis(ms),
        reading: Reading::new(State::Ok, scope, ""),
        ..told(State::Ok)
    };
    let checks = [
        named("application", slow(Scope::Remote, 200)),
        named("disk", slow(Scope::Host, 250)),
        named("cpu", Told { panics: true, ..told(State::Ok) }),
        named("redis", Told { takes: Duration::from_millis(100), ..told(State::Ok) }),
        NamedCheck::skipped("network"),
    ];
    let begun = Instant::now();
    let report = run(&checks, &Ports::real(), "here").await;
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    let states: Vec<State> = report.results.iter().map(|r| r.state).collect();
    assert_eq!(states, [State::Down, State::Unknown, State::Unknown, State::Ok, State::Skipped]);
    assert_eq!(report.results[0].message, "no answer within 200 ms");
    assert_eq!(report.results[0].issue_type.unwrap().name(), "service_unavailable");
    assert_eq!((report.results[1].issue_type, report.results[1].playbook.as_deref()), (None, Some("disk_full")));
    assert_eq!((report.results[3].playbook.as_deref(), report.results[4].playbook.as_deref()), (None, None));
    assert_eq!(report.counts, Counts { ok: 1, degraded: 0, down: 1, unknown: 2, skipped: 1 });
    assert_eq!((report.state, report.host.as_str()), (State::Down, "here"));
}

#[tokio::test]
async fn the_worst_state_leads_and_nothing_looked_at_is_unknown() {
    for (states, want) in [
        (vec![], State::Unknown),
        (vec![State::Skipped], State::Unknown),
        (vec![State::Ok, State::Skipped], State::Ok),
        (vec![State::Ok, State::Unknown], State::Unknown),
        (vec![State::Unknown, State::Degraded], State::Degraded),
        (vec![State::Down, State::Degraded], State::Down),
    ] {
        let checks: Vec<_> = states.iter().map(|s| named("x", told(*s))).collect();
        assert_eq!(run(&checks, &Ports::real(), "here").await.state, want, "{states:?}");
    }
}

#[tokio::test]
async fn what_came_from_outside_is_redacted_made_harmless_and_cut() {
    let text = format!("\u{1b}[31m hunter2hunter2 {}", "x".repeat(5_000));
    let check = Told { reading: Reading::new(State::Down, Scope::Remote, "ours").untrusted("error", text), ..told(State::Ok) };
    let report = run(&[named("database", check)], &Ports::real(), "here").await;
    let shown = &report.results[0].untrusted["error"];
    assert!(shown.starts_with("\\u{1b}[31m [redacted] xxx") && shown.len() <= 300, "{shown}");
}

#[tokio::test]
async fn names_are_chosen_with_aliases_and_a_slip_is_told() {
    let all: Vec<_> = checks::ALL.iter().map(|k| NamedCheck::skipped(k.name())).collect();
    let pick = |names: &[&str]| select(&all, &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    assert_eq!(pick(&[]).ok().unwrap().len(), 8);
    let names: Vec<_> = pick(&["cpu_usage", "disk_space", "cpu"]).ok().unwrap().into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["cpu", "disk"]);
    let error = pick(&["databse"]).err().unwrap().to_string();
    assert!(error.contains("did you mean database?") && error.contains("external_api"), "{error}");
    assert!(!pick(&["\u{1b}[31m"]).err().unwrap().to_string().contains('\u{1b}'));
}

#[test]
fn states_are_called_what_they_are_on_the_wire() {
    for state in [State::Skipped, State::Ok, State::Unknown, State::Degraded, State::Down] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
}

#[test]
fn the_report_has_a_flat_schema_and_survives_a_round_trip() {
    let schema = serde_json::to_string(&schemars::schema_for!(Report)).unwrap();
    assert!(!schema.contains("$ref"), "{schema}");
    let text = r#"{"state":"ok","host":"h","checked_at":"2026-01-02T03:04:05Z","duration_ms":1,"counts":{"ok":1,"degraded":0,"down":0,"unknown":0,"skipped":0},
        "results":[{"name":"disk","state":"ok","message":"m","host":"h","duration_ms":1,"measurements":[],"thresholds":[],"untrusted":{}}]}"#;
    let report: Report = serde_json::from_str(text).unwrap();
    let given: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&report).unwrap(), given);
}

/// A history in memory that can be told to fail.
#[derive(Default)]
struct Remembered {
    reports: Mutex<Vec<Report>>,
    forgets: AtomicUsize,
    fails: bool,
}

#[async_trait]
impl History for Remembered {
    async fn append(&self, report: &Report) -> Result<(), HealthError> {
        if self.fails {
            return Err(HealthError::History("the disk is full".to_owned()));
        }
        self.reports.lock().unwrap().push(report.clone());
        Ok(())
    }

    async fn recent(&self, _: Option<&str>, _: usize) -> Result<Vec<Report>, HealthError> {
        Ok(self.reports.lock().unwrap().clone())
    }

    async fn forget_before(&self, moment: Timestamp) -> Result<u64, HealthError> {
        self.forgets.fetch_add(1, Ordering::Relaxed);
        self.reports.lock().unwrap().retain(|r| r.checked_at >= moment);
        Ok(0)
    }
}

fn service(history: Arc<Remembered>) -> (Health, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::at("2026-01-01T00:00:00Z"));
    let ports = Ports { clock: clock.clone(), ..Ports::real() };
    (Health::new(vec![named("redis", told(State::Ok))], ports, "here", Some(history)), clock)
}

#[tokio::test]
async fn reports_are_kept_for_two_weeks_and_forgotten_at_most_once_an_hour() {
    let history = Arc::new(Remembered::default());
    let (health, clock) = service(history.clone());
    for (after_seconds, kept, forgets) in [(0, 1, 1), (60, 2, 1), (3_600, 3, 2), (14 * 86_400 - 60, 2, 3), (-86_400, 3, 4)] {
        clock.advance_seconds(after_seconds);
        health.check(&[]).await.unwrap();
        let seen = (history.recent(None, 9).await.unwrap().len(), history.forgets.load(Ordering::Relaxed));
        assert_eq!(seen, (kept, forgets), "after {after_seconds} s more");
    }
}

#[tokio::test]
async fn a_failing_history_is_a_note_and_no_error() {
    let (health, _) = service(Arc::new(Remembered { fails: true, ..Remembered::default() }));
    let report = health.check(&[]).await.unwrap();
    assert_eq!(report.state, State::Ok);
    assert!(report.history_note.unwrap().contains("the disk is full"));
    assert!(health.check(&["nope".to_owned()]).await.is_err());
}
