//! What is run with what, how states are compared, and what wrong tables say.

use super::*;
use crate::{
    ports::{clock::SystemClock, fake::FakeExec, http::Client},
    types::issue::IssueType,
};

fn build(action: Action, toml: &str) -> Result<Arc<dyn Actuator>, String> {
    Command.build(action, Settings::parse(toml).expect("valid TOML")).map_err(|e| e.message().to_owned())
}

/// Programs that end with these codes and print these texts, in order; later ones exit with 0 and print nothing.
fn scripted(results: &[(i32, &str)]) -> (Arc<FakeExec>, Ports) {
    let exec = Arc::new(FakeExec::default());
    let finished = |&(code, text): &(i32, &str)| Ok(Finished { code: Some(code), stdout: text.to_owned(), stderr: String::new() });
    exec.script.lock().expect("fresh").extend(results.iter().map(finished));
    (exec.clone(), Ports { clock: Arc::new(SystemClock), exec, http: Arc::new(Client::default()) })
}

fn calls(exec: &FakeExec) -> Vec<String> {
    exec.calls.lock().expect("done").iter().map(|argv| argv.join(" ")).collect()
}

fn context() -> Context {
    Context {
        operation: "op_0123456789abcdef0123456789abcdef".parse().expect("an id"),
        target: "shop".parse().expect("a name"),
        issue: IssueType::HighLatency,
        fence: 7,
    }
}

fn one(key: &str, value: &str) -> Snapshot {
    Snapshot::from([(key.to_owned(), value.to_owned())])
}

const SCALE: &str = r#"{ argv = ["/bin/scale", "shop", "{replicas}"], replicas = ["/bin/replicas"] }"#;
const SWITCH: &str = r#"{ argv = ["/bin/switch", "b"], state = ["/bin/which"], undo = ["/bin/switch", "a"] }"#;

#[tokio::test]
async fn scaling_doubles_to_at_most_ten() {
    let scale = build(Action::ScaleUp, SCALE).expect("valid");
    for (printed, wanted) in
        [("3\n", Some("6")), ("1", Some("2")), ("7", Some("10")), ("10", None), ("0", None), ("12", None), ("many", None), ("-3", None), ("3; rm", None)]
    {
        let (exec, ports) = scripted(&[(0, printed)]);
        let prepared = scale.prepare(&ports).await;
        assert_eq!(prepared.as_ref().ok().and_then(|p| p.values.get("replicas")).map(String::as_str), wanted, "{printed}");
        let Ok(prepared) = prepared else { continue };
        let done = scale.act(&ports, &prepared, &context()).await.expect("the fake succeeds");
        assert_eq!(exec.calls.lock().expect("done")[1], ["/bin/scale", "shop", wanted.unwrap_or_default()]);
        assert_eq!((prepared.prior, done.left), (one("replicas", printed.trim()), one("replicas", wanted.unwrap_or_default())));
    }
}

#[tokio::test]
async fn scaling_is_verified_by_the_number_and_undone_to_the_number_of_before() {
    let scale = build(Action::ScaleUp, SCALE).expect("valid");
    let (prior, left) = (one("replicas", "3"), one("replicas", "6"));
    for (code, printed, holds) in [(0, "6", true), (0, "4", false), (0, "7", false), (1, "6", false), (0, "", false)] {
        let said = scale.verify(&scripted(&[(code, printed)]).1, &left).await;
        assert_eq!(matches!(said, Postcondition::Holds(_)), holds, "{code} {printed}: {said:?}");
        assert!(!matches!(said, Postcondition::Broken(_)));
    }
    let (exec, ports) = scripted(&[(0, ""), (0, "6"), (0, "3")]);
    let undone = scale.undo(&ports, &prior, &context()).await.expect("it falls after a while");
    assert_eq!((undone.left, calls(&exec)), (prior.clone(), vec!["/bin/scale shop 3".to_owned(), "/bin/replicas".to_owned(), "/bin/replicas".to_owned()]));
    assert!(matches!(scale.probe(&scripted(&[(0, "6")]).1, &prior).await, Probe::Happened(act) if act.left == left));
    assert!(matches!(scale.probe(&scripted(&[(0, "3")]).1, &prior).await, Probe::CannotTell(_)));
}

#[tokio::test]
async fn nothing_but_a_number_is_filled_into_arguments() {
    let scale = build(Action::ScaleUp, SCALE).expect("valid");
    for number in ["6; rm -rf /", "--force", "$(id)", "", "-1", "6\n7", "*"] {
        let (exec, ports) = scripted(&[]);
        let prepared = Prepared { values: BTreeMap::from([("replicas", number.to_owned())]), ..Default::default() };
        assert!(matches!(scale.act(&ports, &prepared, &context()).await, Err(ActError::Failed(_))), "{number}");
        assert!(matches!(scale.undo(&ports, &one("replicas", number), &context()).await, Err(ActError::Failed(_))), "{number}");
        assert!(calls(&exec).is_empty(), "{number}: {:?}", calls(&exec));
    }
}

#[tokio::test]
async fn arguments_are_as_configured_and_the_operation_is_in_the_environment() {
    // What a person configured may look like anything; it is no shell that reads it.
    let odd = r#"{ argv = ["/bin/x", "--force", "a;b|c$d*?[e]", "{target}", "$OPSMEDIC_TARGET"], env = { KEEP = "1" }, state = ["/bin/state", "-x"], verify = ["/bin/verify"] }"#;
    let restart = build(Action::RestartService, odd).expect("valid");
    let (exec, ports) = scripted(&[]);
    let prepared = restart.prepare(&ports).await.expect("possible");
    restart.act(&ports, &prepared, &context()).await.expect("exit 0");
    restart.verify(&ports, &Snapshot::new()).await;
    let look = "/bin/state -x".to_owned();
    let act = "/bin/x --force a;b|c$d*?[e] {target} $OPSMEDIC_TARGET".to_owned();
    assert_eq!(calls(&exec), [look.clone(), act, look, "/bin/verify".to_owned()]);
    let envs = exec.envs.lock().expect("done").clone();
    let keep = BTreeMap::from([("KEEP".to_owned(), "1".to_owned())]);
    let told = [("OPSMEDIC_OPERATION", "op_0123456789abcdef0123456789abcdef"), ("OPSMEDIC_TARGET", "shop"), ("OPSMEDIC_FENCE", "7")];
    let mut all = keep.clone();
    all.extend(told.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(envs, [keep.clone(), all, keep.clone(), keep]);
}

#[tokio::test]
async fn state_is_saved_compared_and_brought_back() {
    let switch = build(Action::Failover, SWITCH).expect("valid");
    let (exec, ports) = scripted(&[(0, "a\n"), (0, "switched"), (0, "b\n")]);
    let prepared = switch.prepare(&ports).await.expect("possible");
    assert_eq!((&prepared.prior, prepared.undo.as_deref()), (&one("state", "a"), Some(r#"run ["/bin/switch", "a"]"#)));
    let done = switch.act(&ports, &prepared, &context()).await.expect("exit 0");
    assert_eq!((&done.left, done.untrusted_output.as_deref()), (&one("state", "b"), Some("switched")));
    assert_eq!(calls(&exec), ["/bin/which", "/bin/switch b", "/bin/which"]);

    assert!(matches!(switch.probe(&scripted(&[(0, "b")]).1, &prepared.prior).await, Probe::Happened(act) if act.left == done.left));
    for unclear in [(0, "a"), (1, "b")] {
        assert!(matches!(switch.probe(&scripted(&[unclear]).1, &prepared.prior).await, Probe::CannotTell(_)), "{unclear:?}");
    }
    let (exec, ports) = scripted(&[(0, ""), (0, "a")]);
    let undone = switch.undo(&ports, &prepared.prior, &context()).await.expect("it is as before");
    assert_eq!((undone.left, calls(&exec)), (prepared.prior, vec!["/bin/switch a".to_owned(), "/bin/which".to_owned()]));
    let failed = switch.undo(&scripted(&[(3, "")]).1, &one("state", "a"), &context()).await;
    assert!(matches!(failed, Err(ActError::Failed(act)) if act.message.contains("undo command exited with 3")));
}

#[tokio::test]
async fn a_state_that_cannot_be_read_stops_only_what_promises_an_undo() {
    let long = "x".repeat(STATE_BYTES + 1);
    for bad in [(1, "a"), (0, long.as_str())] {
        let with = build(Action::Failover, SWITCH).expect("valid").prepare(&scripted(&[bad]).1).await;
        assert!(with.is_err_and(|e| e.contains("cannot be saved")));
        let without = build(Action::Failover, r#"{ argv = ["/bin/x"], state = ["/bin/which"] }"#).expect("valid").prepare(&scripted(&[bad]).1).await;
        assert!(without.is_ok_and(|p| p.prior.is_empty() && p.effect.is_some_and(|e| e.contains("not known"))));
    }
}

#[tokio::test]
async fn the_verify_command_decides() {
    let restart = build(Action::RestartService, r#"{ argv = ["/bin/x"], verify = ["/bin/verify"] }"#).expect("valid");
    assert!(matches!(restart.verify(&scripted(&[(0, "")]).1, &Snapshot::new()).await, Postcondition::Holds(_)));
    assert!(matches!(restart.verify(&scripted(&[(2, "")]).1, &Snapshot::new()).await, Postcondition::NotYet(why) if why.contains("exited with 2")));
    // Beside the number of replicas, not instead of it.
    let scale = build(Action::ScaleUp, &SCALE.replace(" }", r#", verify = ["/bin/verify"] }"#)).expect("valid");
    for (results, holds) in [([(0, "6"), (0, "")], true), ([(0, "6"), (1, "")], false), ([(0, "5"), (0, "")], false)] {
        let said = scale.verify(&scripted(&results).1, &one("replicas", "6")).await;
        assert_eq!(matches!(said, Postcondition::Holds(_)), holds, "{results:?}: {said:?}");
    }
}

#[tokio::test]
async fn an_undo_sets_no_number_that_scaling_could_not_have_begun_with() {
    let scale = build(Action::ScaleUp, SCALE).expect("valid");
    for saved in ["0", "10", "99999", "-3", "3; rm"] {
        let (exec, ports) = scripted(&[]);
        let undone = scale.undo(&ports, &one("replicas", saved), &context()).await;
        assert!(matches!(undone, Err(ActError::Failed(_))), "{saved}: {undone:?}");
        assert_eq!(calls(&exec), Vec::<String>::new(), "{saved} was set");
    }
}

#[test]
fn wrong_tables_say_what_to_write() {
    for (action, toml, wants) in [
        (Action::RestartService, r#"{ argv = [] }"#, "absolute path"),
        (Action::RestartService, r#"{ argv = ["systemctl"] }"#, "absolute path"),
        (Action::RestartService, r#"{ argv = ["/bin/x"], state = ["x"] }"#, "absolute path"),
        (Action::RestartService, r#"{ argv = ["/bin/x"], verify = [] }"#, "absolute path"),
        (Action::RestartService, r#"{ argv = ["/bin/x", "{replicas}"] }"#, "scale_up only"),
        (Action::RestartService, r#"{ argv = ["/bin/x"], undo = ["/bin/y"] }"#, "undo needs state"),
        (Action::RestartService, r#"{ argv = ["/bin/x"], env = { OPSMEDIC_TARGET = "y" } }"#, "another name"),
        (Action::ScaleUp, r#"{ argv = ["/bin/x"] }"#, "scale_up needs"),
        (Action::ScaleUp, &SCALE.replace(" }", r#", undo = ["/bin/y"] }"#), "of its own"),
        (Action::ScaleUp, &SCALE.replace(" }", r#", verify = ["/bin/y", "{replicas}"] }"#), "argv only"),
        (Action::RestartService, r#"{ argv = ["/bin/x"], timeout_seconds = 0 }"#, "1 to 3600"),
    ] {
        let error = build(action, toml).err().unwrap_or_default();
        assert!(error.contains(wants), "{toml}: {error}");
    }
}
