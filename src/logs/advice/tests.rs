use super::*;
use crate::logs::patterns::built_in_names;

fn counted(set: PatternSet, lang: Lang, errors: u64, records: u64, each_pattern: u64) -> Vec<Recommendation> {
    recommend(&Findings::new(set, lang, records, errors.into(), &|_| each_pattern.into()))
}

#[test]
fn every_built_in_pattern_has_advice_that_leads_somewhere() {
    let all = counted(PatternSet::Default, Lang::En, 0, 100, 1);
    assert_eq!(all.len(), 9);
    for name in built_in_names() {
        let advice = all.iter().find(|r| r.id == name).expect("each pattern has advice");
        assert!(advice.playbook.is_some() && advice.evidence.share_percent == 1.0);
    }
    assert!(all.is_sorted_by_key(|r| r.priority));
}

#[test]
fn the_seed_reading_gives_the_seeds_advice() {
    let titles: Vec<String> = counted(PatternSet::Seed, Lang::Zh, 11, 100, 1).into_iter().map(|r| r.title).collect();
    assert_eq!(titles, ["连接超时", "数据库错误", "内存错误", "频率限制", "高错误率"]);
}

#[test]
fn a_tenth_is_not_yet_a_high_error_rate() {
    for (errors, total, want) in [(10, 100, 0), (11, 100, 1), (0, 0, 0)] {
        assert_eq!(counted(PatternSet::Seed, Lang::En, errors, total, 0).len(), want);
    }
}

/// All that can be found, at times from 2026-01-26 10:00 on.
fn findings(set: PatternSet, lang: Lang) -> Findings<'static> {
    const AT: i64 = 1_769_421_600;
    const SPIKE: Spike = Spike { start: AT, end: AT + 60, peak_at: AT, peak: 40, errors: 40, typical: 2, times_typical: 20.0, still_on: true };
    const STEP: Step = Step { at: AT, before_per_minute: 2.0, after_per_minute: 9.5, up: true, strength: 50.0 };
    let seen = Seen { count: 7, first: Some(AT * 1_000_000_000), last: Some((AT + 90) * 1_000_000_000), rising: Some(true), groups: Some(3) };
    Findings {
        new_errors: Some(seen),
        spikes: &[SPIKE],
        steps: &[STEP],
        silence: Some(Silence { from: AT + 120, to: None, longest_other: 60 }),
        ..Findings::new(set, lang, 1_000, Seen { count: 50, ..seen }, &|_| Seen { count: 1, first: Some(AT * 1_000_000_000), ..Seen::default() })
    }
}

fn only(id: &str, findings: &Findings<'_>) -> Recommendation {
    let mut found: Vec<Recommendation> = recommend(findings).into_iter().filter(|r| r.id == id).collect();
    assert_eq!(found.len(), 1, "{id}");
    found.remove(0)
}

#[test]
fn the_course_over_time_is_recommended_on_in_the_default_reading_only() {
    let all = recommend(&findings(PatternSet::Default, Lang::En));
    assert_eq!(all.len(), 9 + 4);
    assert!(all.is_sorted_by_key(|r| r.priority));
    let seed = recommend(&findings(PatternSet::Seed, Lang::En));
    assert_eq!(seed.len(), 4);
    let plain = counted(PatternSet::Seed, Lang::En, 50, 1_000, 1);
    assert_eq!(seed, plain, "nor is its evidence any other");
    assert_eq!(serde_json::to_value(&seed[0].evidence).expect("plain").as_object().expect("object").len(), 3);
}

#[test]
fn each_finding_has_its_evidence_and_leads_somewhere() {
    let found = findings(PatternSet::Default, Lang::En);
    let new = only("new_errors", &found);
    assert_eq!((new.evidence.count, new.evidence.groups, new.evidence.rising, new.issue_type), (7, Some(3), Some(true), None));
    assert_eq!(new.evidence.last_seen.as_deref(), Some("2026-01-26T10:01:30Z"));
    let spike = only("error_spike", &found);
    assert_eq!((spike.evidence.count, spike.evidence.times_typical, spike.issue_type), (40, Some(20.0), Some(IssueType::HighErrorRate)));
    let step = only("error_rate_step", &found);
    assert_eq!((step.evidence.before_per_minute, step.evidence.after_per_minute), (Some(2.0), Some(9.5)));
    assert_eq!((step.priority, step.issue_type), (Priority::High, Some(IssueType::HighErrorRate)));
    assert!(step.text.contains("2026-01-26T10:00:00Z") && step.text.contains("9.5"), "{}", step.text);
    let silence = only("silence", &found);
    assert_eq!((silence.evidence.count, silence.priority, silence.issue_type), (0, Priority::High, Some(IssueType::ServiceUnavailable)));
    assert!([new, spike, step, silence].iter().all(|r| r.playbook.is_some()));
}

#[test]
fn what_is_over_is_less_urgent_and_nothing_to_mend() {
    let mut found = findings(PatternSet::Default, Lang::En);
    let spikes = [Spike { still_on: false, ..found.spikes[0] }, Spike { still_on: false, times_typical: 30.0, peak: 90, errors: 95, ..found.spikes[0] }];
    found.spikes = &spikes;
    found.silence = found.silence.map(|s| Silence { to: Some(s.from + 600), ..s });
    let spike = only("error_spike", &found);
    assert_eq!((spike.evidence.count, spike.priority, spike.issue_type), (95, Priority::Medium, None), "of several the highest");
    let silence = only("silence", &found);
    assert_eq!((silence.priority, silence.issue_type, silence.evidence.last_seen.is_some()), (Priority::Medium, None, true));
}

#[test]
fn a_rate_that_went_down_again_is_no_finding() {
    let mut found = findings(PatternSet::Default, Lang::En);
    let down = Step { at: found.steps[0].at + 600, before_per_minute: 9.5, after_per_minute: 2.0, up: false, strength: 40.0 };
    let steps = [found.steps[0], down];
    found.steps = &steps;
    assert!(!recommend(&found).iter().any(|r| r.id == "error_rate_step"));
    found.new_errors = Some(0.into());
    assert!(!recommend(&found).iter().any(|r| r.id == "new_errors"));
}

#[test]
fn a_rate_of_ten_times_is_critical() {
    let mut found = findings(PatternSet::Default, Lang::En);
    for (before, after, want) in [(2.0, 19.9, Priority::High), (2.0, 20.0, Priority::Critical), (0.0, 0.9, Priority::High), (0.0, 5.0, Priority::Critical)] {
        let steps = [Step { before_per_minute: before, after_per_minute: after, ..found.steps[0] }];
        let found = Findings { steps: &steps, patterns: found.patterns, ..findings(PatternSet::Default, Lang::En) };
        assert_eq!(only("error_rate_step", &found).priority, want, "{before} {after}");
    }
    found.steps = &[];
    assert!(!recommend(&found).iter().any(|r| r.id == "error_rate_step"));
}

#[test]
fn chinese_has_the_same_recommendations() {
    let (en, zh) = (recommend(&findings(PatternSet::Default, Lang::En)), recommend(&findings(PatternSet::Default, Lang::Zh)));
    for (a, b) in en.iter().zip(&zh) {
        assert_eq!((&a.id, a.priority, &a.evidence, a.issue_type, &a.playbook), (&b.id, b.priority, &b.evidence, b.issue_type, &b.playbook));
        assert!(a.title.is_ascii() && a.text.is_ascii() && !b.title.is_ascii() && !b.text.is_ascii(), "{}", a.id);
    }
    assert_eq!(en.len(), zh.len());
}
