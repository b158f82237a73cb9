//! Both policies on the cases that matter.

use std::sync::Arc;

use super::*;
use crate::{ports::fake::FakeClock, types::severity::Severity::*};

fn classifier(policy: Policy) -> Classifier {
    let settings = ClassifySettings { policy, ..Default::default() };
    Classifier::new(settings, Arc::new(FakeClock::at("2026-11-23T03:00:00Z")))
}

fn evidence(text: &str) -> Evidence {
    serde_json::from_str(text).expect("tests write valid evidence")
}

fn guarded(text: &str) -> Verdict {
    classifier(Policy::Guarded).classify(&evidence(text), Lang::En).expect("valid evidence")
}

#[test]
fn a_total_outage_is_p0_under_guarded_and_p3_under_quorum() {
    let outage = r#"{"error_rate":0,"response_time":0,"availability":0,"affected_users":0}"#;
    let verdict = guarded(outage);
    assert_eq!((verdict.severity, verdict.determined, verdict.decided_by), (P0, true, rules::DecidedBy::DecisiveSignal));
    assert_eq!(verdict.contradictions.len(), 2, "{:?}", verdict.contradictions);
    assert_eq!(classifier(Policy::Quorum).classify(&evidence(outage), Lang::En).expect("complete").severity, P3);
}

#[test]
fn guards_only_raise() {
    for (given, severity, determined) in [
        (r#"{"error_rate":95}"#, P0, true),
        (r#"{"availability":49.9}"#, P0, true),
        (r#"{"error_rate":60,"response_time":100,"availability":99.9,"affected_users":0}"#, P1, true),
        (r#"{"error_rate":60,"response_time":100}"#, P0, true),
        (r#"{"error_rate":0,"response_time":100,"business_impact":"critical"}"#, P1, true),
        (r#"{"error_rate":0,"response_time":100,"business_impact":"high"}"#, P2, true),
        (r#"{"error_rate":0,"response_time":100,"description":"API is down"}"#, P3, true),
        (r#"{"error_rate":60}"#, P0, false),
        (r#"{"description":"API is down"}"#, P0, false),
        (r#"{"description":"not down"}"#, P2, false),
        (r#"{"description":"数据库宕机"}"#, P0, false),
        (r#"{"error_rate":0.1}"#, P3, false),
        (r#"{"business_impact":"critical"}"#, P1, false),
    ] {
        let verdict = guarded(given);
        assert_eq!((verdict.severity, verdict.determined), (severity, determined), "{given}: {}", verdict.why);
        assert!(verdict.determined || verdict.confidence == Confidence::Low, "{given}");
    }
}

#[test]
fn bad_values_are_refused_by_name() {
    let refuse = |text: &str| classifier(Policy::Guarded).classify(&evidence(text), Lang::En).expect_err("out of range").to_string();
    assert!(refuse(r#"{"error_rate":101}"#).contains("error_rate_percent is 101"));
    assert!(refuse(r#"{"affected_users":-1}"#).contains("affected_users is -1"));
    assert!(refuse(r#"{"response_time":-0.5}"#).contains("response_time_ms"));
    assert!(refuse("{}").contains("at least one of error_rate_percent"));
    let nan = Evidence { availability_percent: Some(f64::NAN), ..Default::default() };
    assert!(classifier(Policy::Guarded).classify(&nan, Lang::En).is_err());
    let error = classifier(Policy::Quorum).classify(&evidence(r#"{"error_rate":1}"#), Lang::En).expect_err("incomplete");
    assert_eq!(error, IncidentError::MissingMetrics(vec!["response_time_ms", "availability_percent", "affected_users"]));
}

#[test]
fn the_verdict_says_what_would_change_it_and_where_to_go() {
    let verdict = guarded(r#"{"error_rate":25,"response_time":12000,"availability":94,"affected_users":200}"#);
    assert_eq!((verdict.severity, verdict.confidence, verdict.sla_minutes), (P1, Confidence::High, 15));
    assert_eq!(verdict.respond_by, "2026-11-23T03:15:00Z");
    assert_eq!((verdict.playbook, verdict.issue_type), ("service_down", Some(issue::IssueType::ServiceUnavailable)));
    let rows = verdict.rules.iter().filter(|r| r.severity == P1 && r.hit).count();
    assert_eq!(rows, 4);
    let alone = guarded(r#"{"error_rate":25,"response_time":100,"availability":99.9}"#);
    assert_eq!(alone.severity, P2);
    let says = |condition: &str, severity| alone.would_change.iter().any(|w| w.if_true == condition && w.severity == severity);
    assert!(says("error_rate_percent > 50 and error_rate_percent < 90", P1) && says("error_rate_percent >= 90", P0), "{:?}", alone.would_change);
    assert!(alone.would_change.iter().any(|w| w.severity == P3), "{:?}", alone.would_change);
}

proptest::proptest! {
    /// More of something bad never gives a milder verdict, whatever else is known.
    #[test]
    fn worse_values_never_give_a_milder_verdict(errors in 0.0..=100.0f64, more in 0.0..=100.0f64, latency in 0.0..60_000.0f64, availability in 0.0..=100.0f64) {
        let (low, high) = if errors < more { (errors, more) } else { (more, errors) };
        let base = Evidence { response_time_ms: Some(latency), availability_percent: Some(availability), ..Default::default() };
        let at = |e: f64| classifier(Policy::Guarded).classify(&Evidence { error_rate_percent: Some(e), ..base.clone() }, Lang::En).expect("in range").severity;
        proptest::prop_assert!(at(high) >= at(low));
    }

    /// What the verdict says would change it, does.
    #[test]
    fn what_would_change_a_verdict_changes_it(errors in 0.0..=100.0f64, latency in 0.0..60_000.0f64, availability in 0.0..=100.0f64, tried in 0.0..=100.0f64) {
        let base = Evidence { error_rate_percent: Some(errors), response_time_ms: Some(latency), availability_percent: Some(availability), ..Default::default() };
        let judge = |e: &Evidence| classifier(Policy::Guarded).classify(e, Lang::En).expect("in range");
        let verdict = judge(&base);
        let other = judge(&Evidence { error_rate_percent: Some(tried), ..base });
        let holds = |condition: &str| condition.split(" and ").all(|part| {
            let words: Vec<&str> = part.split(' ').collect();
            let limit: f64 = words[2].parse().expect("a number");
            match words[1] { ">" => tried > limit, ">=" => tried >= limit, "<" => tried < limit, _ => tried <= limit }
        });
        let said = verdict.would_change.iter().find(|w| w.if_true.starts_with("error_rate_percent") && holds(&w.if_true));
        proptest::prop_assert_eq!(said.map_or(verdict.severity, |w| w.severity), other.severity);
    }

    /// Adding a keyword to a determined verdict never lowers it.
    #[test]
    fn words_never_lower(errors in 0.0..=100.0f64, latency in 0.0..60_000.0f64, word in "(down|error|slow|minor|fine)") {
        let base = Evidence { error_rate_percent: Some(errors), response_time_ms: Some(latency), ..Default::default() };
        let with = Evidence { description: Some(word), ..base.clone() };
        let judge = |e: &Evidence| classifier(Policy::Guarded).classify(e, Lang::En).expect("in range").severity;
        proptest::prop_assert!(judge(&with) >= judge(&base));
    }
}
