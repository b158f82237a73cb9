//! What is accepted, and what errors say.

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Some(PathBuf::from("x.toml")), &Env::default()).map_err(|e| e.to_string())
}

#[test]
fn nothing_is_a_valid_configuration_that_allows_nothing() {
    let config = parse("").expect("defaults");
    assert!(config.targets.is_empty() && config.logs.roots.is_empty());
    assert_eq!((config.history_days, config.mcp.output_budget_bytes), (14, 24_576));
}

#[test]
fn errors_name_file_line_key_and_what_to_write() {
    for (text, wants) in [
        ("hots = 1", vec!["x.toml:1:1", "hots", "did you mean host?"]),
        ("[health]\n\n[health.aplication]\nurl = 'x'", vec!["x.toml:3:", "health.aplication", "did you mean application?"]),
        ("[http]\ndrain_seconds = 601", vec!["x.toml:2:", " http.drain_seconds: is out of range: write 0 to 600"]),
        ("[http.auth]\nresource = 'https://h/mcp'", vec!["x.toml:1:", " http.auth: write tokens_file"]),
        ("[health.application]\nurl = 'http://x'\ntimout_ms = 50", vec!["x.toml:3:", "health.application.timout_ms", "expected", "`timeout_ms`"]),
        ("[health.application]\ntimeout_ms = 50", vec!["x.toml:", "health.application", "url"]),
        ("[classify.levels.P0]\nerror_rate_percent = 150", vec!["x.toml:2:", "classify.levels.P0.error_rate_percent", "0 to 100"]),
        ("[classify]\npolicy = 'guess'", vec!["x.toml:2:", "classify.policy", "guarded"]),
        ("a = [", vec!["x.toml:1:"]),
        ("[[targets]]\nname = 'a b'", vec!["x.toml:2:", "targets[0].name", "not a target name"]),
        ("[[targets]]\nname = 'a'", vec!["x.toml:1:", "targets[0]", "needs a check"]),
        (
            "[[targets]]\nname = 'a'\n[targets.check.application]\nurl='http://x'\n[targets.actions.restart_servce.command]\nargv=['/x']",
            vec!["x.toml:5:", "did you mean restart_service?"],
        ),
        (
            "[[targets]]\nname = 'a'\n[targets.check.application]\nurl='http://x'\n[targets.actions.clear_cache.command]\nargv=['/x']",
            vec!["x.toml:5:", "known ones here are http, redis"],
        ),
        ("[[targets]]\nname = 'a'\npolicy='deny'\n[targets.facts]\nunit = '--now'", vec!["targets[0]", "begins with '-'"]),
        ("[recovery.strategies]\nhigh_latency = ['scale_up', 'clear_cache', 'scale_up']", vec!["recovery.strategies.high_latency", "scale_up twice"]),
        ("[[recovery.freeze]]\nname = 'night'\ntargets = ['shpo']\ndays = ['mon']", vec!["recovery.freeze night", "no target shpo"]),
        ("[store]\npath = '${OPSMEDIC_TEST_NOT_SET}'", vec!["x.toml:2:", "store.path", "OPSMEDIC_TEST_NOT_SET is not set"]),
    ] {
        let error = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(wants.iter().all(|w| error.contains(w)), "{text}\n-> {error}\nwants {wants:?}");
    }
}

#[test]
fn secrets_are_known_to_the_redactor_and_not_shown_in_errors() {
    let config = parse("[health.redis]\nurl = 'redis://:canary-1@127.0.0.1:6379'").expect("valid");
    assert!(config.secrets().iter().any(|s| s.expose().contains("canary-1")));
    let error = parse("[health.redis]\nurl = 'canary-1://x'\nurls = 'canary-1'").err().unwrap_or_default();
    assert!(!error.is_empty() && !error.contains("canary-1"), "{error}");
}

#[test]
fn a_file_that_everybody_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o666)).expect("chmod");
    let error = Config::load(Some(file.path()), &Env::default()).err().expect("refused").to_string();
    assert!(error.contains("chmod o-w"), "{error}");
}

#[test]
fn a_named_file_that_is_not_there_is_an_error() {
    let error = Config::load(Some(Path::new("/nonexistent/x.toml")), &Env::default()).err().expect("absent").to_string();
    assert!(error.contains("/nonexistent/x.toml"), "{error}");
}

#[test]
fn the_example_file_is_valid_and_shows_every_kind() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/opsmedic.toml")).expect("the example is in the project");
    let config = parse(&text).expect("valid");
    assert!(config.health.iter().all(|h| h.check.is_some()), "a kind of check is missing");
    let used: std::collections::BTreeSet<&str> = config.targets.iter().flat_map(|t| t.target.actuators.values().map(|a| a.kind())).collect();
    assert!(crate::recovery::actions::ALL.iter().all(|kind| used.contains(kind.name())), "a kind of actuator is missing: {used:?}");
}

#[test]
fn a_targets_fingerprint_changes_with_anything_that_it_does_and_with_nothing_else() {
    let of = |text: &str| parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).targets[0].target.fingerprint.clone();
    let base = "[[targets]]\nname = 'a'\nsoak_seconds = 5\n[targets.check.application]\nurl = 'http://x/'\n\
                [targets.actions.restart_service.command]\nargv = ['/x', 'y']\ntimeout_seconds = 5\n[targets.actions.restart_service.command.env]\nMODE = 'gentle'\n";
    for (from, to) in [
        ("'gentle'", "'wipe'"),
        ("MODE", "MODES"),
        ("timeout_seconds = 5", "timeout_seconds = 3000"),
        ("soak_seconds = 5", "soak_seconds = 0"),
        ("http://x/", "http://y/"),
        ("['/x', 'y']", "['/x', 'y', '']"),
        ("name = 'a'", "name = 'b'"),
        ("soak_seconds = 5", "soak_seconds = 5\ncheck_cannot_see = ['high_latency']"),
    ] {
        assert_ne!(of(base), of(&base.replacen(from, to, 1)), "{from} -> {to}");
    }
    // Layout, comments, order, and other parts of the file.
    assert_eq!(of(base), of(&base.replace("name = 'a'\nsoak_seconds = 5", "soak_seconds    = 5 # s\nname = \"a\"")));
    assert_eq!(of(base), of(&format!("host = 'x'\n{base}[[targets]]\nname = 'z'\npolicy = 'deny'\n")));
}
