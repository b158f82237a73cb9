//! Each guard by itself, on situations that are made up.

use jiff::SignedDuration;

use super::*;
use crate::{
    recovery::{Action, Freeze, Outcome, PlanStep, State, tests::a_target},
    types::{issue::IssueType, target::Policy},
};

fn now() -> Moment {
    Moment { at: "2026-11-23T03:00:00Z".parse().expect("a constant"), boot: "a boot".to_owned(), uptime_ms: 100_000_000 }
}

fn ago(seconds: i64) -> Moment {
    let now = now();
    Moment { at: now.at - SignedDuration::from_secs(seconds), uptime_ms: now.uptime_ms - seconds * 1_000, ..now }
}

fn plan() -> Plan {
    let step = |action: Action| PlanStep { action, risk: action.risk(), actuator: Some("fake".into()), call: Some("x".into()), effect: None, skipped: None };
    Plan {
        issue_type: IssueType::ServiceUnavailable,
        target: a_target().name,
        policy: Policy::Auto,
        steps: vec![step(Action::RestartService), step(Action::Failover)],
        verification: String::new(),
        configuration: String::new(),
        digest: String::new(),
    }
    .sealed()
}

fn ended(row: i64, state: State, seconds_ago: i64) -> PastOperation {
    PastOperation { row, issue_type: IssueType::ServiceUnavailable, state, began: ago(seconds_ago) }
}

fn vital(state: char) -> Vital {
    Vital { well: state == 'w', down: state == 'd', unknown: state == '?', score: None, summary: String::new() }
}

/// Asks all guards about a situation that starts out harmless.
fn ask(change: impl FnOnce(&mut Situation<'_>, &mut RecoverySettings, &mut Target)) -> Result<Plan, &'static str> {
    let (mut settings, mut target) = (RecoverySettings::default(), a_target());
    let blank = Situation {
        now: now(),
        settings: &RecoverySettings::default(),
        target: &a_target(),
        controls: ControlState::default(),
        attempts: Vec::new(),
        operations: Vec::new(),
        actions_last_hour: 0,
        group: Vec::new(),
    };
    let mut situation = blank;
    change(&mut situation, &mut settings, &mut target);
    let situation = Situation { settings: &settings, target: &target, ..situation };
    ask_all(&situation, plan()).map_err(|e| e.code())
}

#[test]
fn a_harmless_situation_is_let_through_unchanged() {
    assert_eq!(ask(|_, _, _| {}), Ok(plan()));
}

#[test]
fn the_breaker_opens_after_failures_in_a_row_and_only_a_reset_closes_it() {
    let failures = || (1..=3).rev().map(|row| ended(row, State::Failed, 1_000_000)).collect::<Vec<_>>();
    assert_eq!(ask(|s, _, _| s.operations = failures()), Err("breaker_open"));
    assert!(ask(|s, _, _| s.operations = failures()[..2].to_vec()).is_ok());
    let broken_by_success = || [vec![ended(4, State::Succeeded, 50_000)], failures()].concat();
    assert!(ask(|s, _, _| s.operations = broken_by_success()).is_ok());
    let reset = |row: i64| {
        ask(|s, _, t| {
            s.operations = failures();
            s.controls.resets.insert(t.name.clone(), row);
        })
    };
    assert_eq!((reset(0).err(), reset(1).err()), (Some("breaker_open"), None));
}

#[test]
fn what_does_not_help_three_times_or_comes_back_five_times_in_four_hours_is_escalated() {
    let spaced = |states: &[State], apart: i64| {
        let operations = states.iter().zip(1..).map(|(state, n)| ended(100 - n, *state, n * apart)).collect::<Vec<_>>();
        ask(|s, _, _| s.operations = operations).err()
    };
    use State::{FailedVerification as Useless, Succeeded as Good};
    assert_eq!(spaced(&[Good, Useless, Useless, Good, Useless], 600), Some("escalated"));
    assert_eq!(spaced(&[Good, Useless, Useless, Good, Useless], 3_600), None, "the third was five hours ago");
    assert_eq!(spaced(&[Good; 5], 600), Some("escalated"));
    assert_eq!(spaced(&[Good; 4], 600), None);
}

#[test]
fn cooldown_counts_by_the_clock_that_nobody_can_set() {
    let attempt = |began: Moment, issue_type| PastAttempt { issue_type, action: Action::RestartService, began, outcome: Outcome::Failed };
    let with = |began: Moment, issue| ask(|s, _, _| s.attempts = vec![attempt(began, issue)]);
    assert_eq!(with(ago(299), IssueType::ServiceUnavailable).err(), Some("cooldown"));
    assert!(with(ago(300), IssueType::ServiceUnavailable).is_ok());
    // Somebody set the clock by a day: only the count since boot matters.
    for days in [-1, 1] {
        let shifted = |seconds| Moment { at: ago(seconds).at + SignedDuration::from_hours(24 * days), ..ago(seconds) };
        assert_eq!(with(shifted(299), IssueType::ServiceUnavailable).err(), Some("cooldown"));
        assert!(with(shifted(300), IssueType::ServiceUnavailable).is_ok());
    }
    // Renaming the issue leaves what was not tried.
    let other = with(ago(10), IssueType::HighErrorRate).expect("failover was not tried");
    assert_eq!(other.runnable().map(|s| s.action).collect::<Vec<_>>(), [Action::Failover]);
    assert_ne!(other.digest, plan().digest);
}

#[test]
fn budget_and_kill_switch_and_freezes_refuse() {
    assert_eq!(ask(|s, _, _| s.actions_last_hour = 20).err(), Some("budget_spent"));
    assert!(ask(|s, _, _| s.actions_last_hour = 19).is_ok());
    assert_eq!(ask(|s, _, _| s.controls.halted = Some("by hand".into())).err(), Some("halted"));
    let freeze = |target: Option<&str>, began: Moment| {
        let target = target.map(|name| name.parse().expect("a name"));
        ask(|s, _, _| s.controls.freezes = vec![Freeze { target, began, span: SignedDuration::from_secs(600), reason: "release".into() }]).err()
    };
    assert_eq!((freeze(None, ago(599)), freeze(None, ago(600))), (Some("frozen"), None));
    assert_eq!((freeze(Some("shop"), ago(5)), freeze(Some("search"), ago(5))), (Some("frozen"), None));
}

#[test]
fn windows_of_the_configuration_hold_by_date_and_by_week() {
    // 2026-11-23T03:00:00Z is a Monday, 04:00 in Berlin.
    let window = |toml: &str| -> FreezeWindow {
        let window: FreezeWindow = toml::from_str(toml).unwrap_or_else(|e| panic!("{toml}: {e}"));
        window.validate().unwrap_or_else(|e| panic!("{toml}: {e}"));
        window
    };
    for (toml, holds) in [
        ("name='x'\nfrom='2026-11-22T00:00:00Z'\nto='2026-11-24T00:00:00Z'", true),
        ("name='x'\nfrom='2026-11-23T03:00:01Z'\nto='2026-11-24T00:00:00Z'", false),
        ("name='x'\nfrom='2026-11-22T00:00:00Z'\nto='2026-11-23T03:00:00Z'", false),
        ("name='x'\ndays=['mon']", true),
        ("name='x'\ndays=['sun']", false),
        ("name='x'\ndays=['mon']\nstart='03:30'\nend='04:30'", false),
        ("name='x'\ndays=['mon']\nstart='03:30'\nend='04:30'\ntimezone='Europe/Berlin'", true),
        ("name='x'\ndays=['sun']\nstart='22:00'\nend='06:00'", true),
        ("name='x'\ndays=['mon']\nstart='22:00'\nend='06:00'", false),
        ("name='x'\ndays=['mon']\ntargets=['search']", false),
        ("name='x'\ndays=['mon']\ntargets=['shop']", true),
    ] {
        let window = window(toml);
        assert_eq!(ask(|_, settings, _| settings.freeze = vec![window]).is_err(), holds, "{toml}");
    }
    for wrong in [
        "name='x'",
        "name='x'\ndays=['monday']",
        "name='x'\nfrom='2026-11-24T00:00:00Z'\nto='2026-11-23T00:00:00Z'",
        "name='x'\ndays=['mon']\ntimezone='Nowhere'",
    ] {
        assert!(toml::from_str::<FreezeWindow>(wrong).is_ok_and(|w| w.validate().is_err()), "{wrong}");
    }
}

#[test]
fn a_group_that_is_mostly_unwell_or_cannot_be_seen_is_left_alone() {
    for (members, expected) in [
        ("", None),
        ("d", None),
        ("dd", Some("blast_radius")),
        ("dw", None),
        ("dww", None),
        ("ddw", Some("blast_radius")),
        ("d?w", Some("health_unknown")),
        ("d?ww", None),
        ("??d", Some("health_unknown")),
        ("???", Some("health_unknown")),
        ("www", None),
    ] {
        let refused = ask(|s, _, t| {
            t.group = Some("web".into());
            s.group = members.chars().map(vital).collect();
        });
        assert_eq!(refused.err(), expected, "{members}");
    }
}
