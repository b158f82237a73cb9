//! What is sealed, and what counts as a yes.

use serde_json::json;

use super::*;

fn who(principal: Option<&str>) -> Actor {
    Actor { via: "mcp http".to_owned(), principal: principal.map(str::to_owned), ..Default::default() }
}

fn sealed() -> Sealed {
    Sealed { operation: OperationId::random(), digest: "d".repeat(64) }
}

const TTL: Duration = Duration::from_secs(60);

#[test]
fn a_sealed_state_is_one_callers_for_one_process() {
    let (approvals, other) = (Approvals::default(), Approvals::default());
    let state = sealed();
    for name in [None, Some("ann"), Some("local")] {
        let text = approvals.seal(&state, &who(name), TTL).expect("random numbers");
        assert_eq!(approvals.open(&text, &who(name)).expect("its own"), state);
        for stranger in [None, Some("ann"), Some("local"), Some("bob"), Some("")].into_iter().filter(|stranger| *stranger != name) {
            assert_eq!(approvals.open(&text, &who(stranger)).expect_err("not theirs").code, "approval_state_invalid", "{name:?} {stranger:?}");
        }
        assert_eq!(other.open(&text, &who(name)).expect_err("another process").code, "approval_state_invalid");
    }
}

#[test]
fn a_state_that_was_changed_or_is_too_old_is_refused() {
    let approvals = Approvals::default();
    let text = approvals.seal(&sealed(), &who(None), TTL).expect("random numbers");
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        assert!(approvals.open(&changed, &who(None)).is_err(), "{changed}");
    }
    let too_long = text.repeat(40);
    for wrong in ["", ".", "rs1..", too_long.as_str(), &text[..text.len() - 1]] {
        assert_eq!(approvals.open(wrong, &who(None)).expect_err("not ours").code, "approval_state_invalid", "{wrong}");
    }
    let old = approvals.seal(&sealed(), &who(None), Duration::ZERO).expect("random numbers");
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(approvals.open(&old, &who(None)).expect_err("too old").code, "approval_expired");
}

#[test]
fn only_a_ticked_and_accepted_form_is_a_yes() {
    let judged = |action: &str, content: serde_json::Value| {
        let answer: ElicitResult = serde_json::from_value(json!({ "action": action, "content": content })).expect("an answer");
        match judge(&answer, OperationId::random(), String::new()) {
            Asked::Agreed { .. } => "yes",
            Asked::Declined { .. } => "no",
            _ => "neither",
        }
    };
    assert_eq!(judged("accept", json!({ "approve": true })), "yes");
    assert_eq!(judged("accept", json!({ "approve": false })), "no");
    for content in [json!({}), json!({ "approve": "true" }), json!({ "approve": 1 }), json!({ "confirm": true }), json!([true]), json!(null)] {
        assert_eq!(judged("accept", content.clone()), "neither", "{content}");
    }
    assert_eq!(judged("decline", json!({ "approve": true })), "no");
    assert_eq!(judged("cancel", json!({ "approve": true })), "neither");
}

#[test]
fn one_question_at_a_time_and_none_after_a_no() {
    let approvals = Arc::new(Approvals::default());
    let id = OperationId::random();
    let first = approvals.ask_once(&id);
    assert!(first.is_some() && approvals.ask_once(&id).is_none() && approvals.ask_once(&OperationId::random()).is_some());
    drop(first);
    assert!(approvals.ask_once(&id).is_some(), "who asked before is gone");
    assert!(!approvals.left_alone("shop"));
    approvals.leave_alone("shop".to_owned());
    assert!(approvals.left_alone("shop") && !approvals.left_alone("search"));
}
