//! The rules of the house, held by reading its source: who may import whom, what each family must list, how long a thing may be.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "tidy/source.rs"]
mod source;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;
use source::{SourceFile, root, rust_files};

const ROOMS: &[&str] = &["incident", "health", "logs", "recovery", "playbook", "notify"];

/// Module, and what of the crate it may name. Rooms never name each other; what is not listed may name nothing.
fn may_import(module: &str) -> Option<Vec<&'static str>> {
    let with_rooms = |more: &[&'static str]| Some(ROOMS.iter().chain(more).copied().collect());
    match module {
        "types" => Some(vec![]),
        "ports" => Some(vec!["types"]),
        "engines" => Some(vec!["ports", "types"]),
        room if ROOMS.contains(&room) => Some(vec!["types", "ports", "engines"]),
        "flows" => with_rooms(&["types", "ports", "engines"]),
        "store" => with_rooms(&["types"]),
        "config" => with_rooms(&["types", "http"]),
        "cli" => with_rooms(&["flows", "types"]),
        "http" => with_rooms(&["flows", "types", "ports"]),
        "mcp" => with_rooms(&["flows", "types", "http"]),
        "telemetry" => Some(vec!["types"]),
        "main" => Some(vec!["app", "cli", "config", "telemetry"]),
        // The composition root and the list of modules.
        "app" | "lib" => None,
        _ => Some(vec![]),
    }
}

/// Single files that may import one module more: the two commands that show the other face.
const EXCEPTIONS: &[(&str, &str)] = &[("cli/serve.rs", "mcp"), ("cli/serve.rs", "http"), ("cli/tools.rs", "mcp")];

/// Crates that belong to one place each, and that place.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["store/", "engines/postgres"]),
    ("rmcp", &["mcp/", "flows/drill"]),
    ("clap", &["cli/", "main.rs"]),
    ("clap_complete", &["cli/"]),
    ("comfy_table", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("anyhow", &["main.rs", "app", "cli/"]),
    ("bollard", &["engines/"]),
    ("bzip2", &["logs/input"]),
    ("flate2", &["logs/input"]),
    ("lzma_rust2", &["logs/input"]),
    ("ruzstd", &["logs/input"]),
    ("prometheus_client", &["flows/metrics"]),
    ("reqwest", &["ports/", "engines/"]),
    ("hyper", &["http/"]),
    ("hyper_util", &["http/"]),
    ("zbus", &["engines/"]),
    ("tracing_subscriber", &["telemetry"]),
];

/// Folders whose files are the members of an open family.
const FAMILIES: &[&str] =
    &["health/checks", "logs/formats", "recovery/actions", "playbook/library", "mcp/tools", "mcp/resources", "mcp/prompts", "notify/channels"];

/// The external crates that pure words may use.
const PURE: &[&str] =
    &["std", "core", "serde", "serde_json", "schemars", "thiserror", "jiff", "regex", "aho_corasick", "base64", "percent_encoding", "uuid", "toml"];

#[track_caller]
fn none(broken: Vec<String>, rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

fn each(rule: &str, check: impl Fn(&SourceFile) -> Vec<String>) {
    let files = rust_files("src");
    assert!(files.len() > 10, "the source was not found");
    none(files.iter().flat_map(|file| check(file).into_iter().map(|what| format!("src/{}: {what}", file.path))).collect(), rule);
}

#[test]
fn modules_import_only_what_the_table_allows() {
    each("see 'Who may import whom' in ARCHITECTURE.md", |file| {
        let Some(allowed) = may_import(file.module()) else { return Vec::new() };
        let strangers = file.imports().into_iter().filter(|name| {
            let excepted = EXCEPTIONS.iter().any(|(path, module)| file.path == *path && name == module);
            name != file.module() && !excepted && !allowed.contains(&name.as_str())
        });
        strangers.map(|name| format!("{} must not import {name}", file.module())).collect()
    });
}

#[test]
fn crates_stay_in_their_one_place() {
    each("each outside crate has one home, so that it can be replaced there", |file| {
        let away = |home: &&[&str]| !home.iter().any(|place| file.path.starts_with(place));
        let used = HOMES.iter().filter(|(_, home)| away(home)).filter(|(name, _)| file.uses_crate(name));
        used.map(|(name, home)| format!("{name} belongs to {}", home.join(" and "))).collect()
    });
}

#[test]
fn types_are_pure() {
    each("types know no runtime and no outside", |file| {
        if file.module() != "types" {
            return Vec::new();
        }
        let used = file.used_roots().into_iter().filter(|name| !PURE.contains(&name.as_str()));
        used.map(|name| format!("types must not use {name}")).collect()
    });
}

#[test]
fn every_member_of_a_family_is_listed() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for family in FAMILIES {
        let folder = root().join("src").join(family);
        if !folder.is_dir() {
            continue;
        }
        let home = [folder.join("mod.rs"), folder.with_extension("rs")].into_iter().find(|path| path.is_file());
        let home = home.unwrap_or_else(|| panic!("src/{family} has no mod.rs"));
        let source = SourceFile::read(&home);
        let Some(list) = source.list_of_all() else {
            broken.push(format!("src/{family}/mod.rs has no `const ALL`"));
            continue;
        };
        for member in members(&folder) {
            seen += 1;
            if !Regex::new(&format!(r"\b{}\b", regex::escape(&member))).unwrap().is_match(&list) {
                broken.push(format!("src/{family}/{member} is not in ALL of its mod.rs"));
            }
        }
    }
    none(broken, "a member that is not listed does not exist for the user");
    assert!(seen > 0 || !root().join("src/app.rs").exists(), "no family has a member");
}

/// Files and folders of a family by name; `mod`, tests and files that hold what members share stay out.
fn members(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let member = |path: PathBuf| {
        let stem = path.file_stem()?.to_str()?.to_owned();
        let counts = path.is_dir() || path.extension().is_some_and(|ext| ext == "rs");
        (counts && !["mod", "tests", "shared", "common"].contains(&stem.as_str())).then_some(stem)
    };
    entries.filter_map(member).collect()
}

#[test]
fn every_tool_has_its_contract() {
    let folder = root().join("src/mcp/tools");
    if !folder.is_dir() {
        assert!(!root().join("src/mcp").exists(), "src/mcp has no tools/");
        return;
    }
    let tools = members(&folder);
    let missing = tools.iter().flat_map(|tool| ["description.md", "schema.json", "example.json"].map(|file| format!("tools/{tool}/{file}")));
    none(missing.filter(|path| !root().join(path).is_file()).collect(), "each tool has a folder in tools/");
    let folders = fs::read_dir(root().join("tools")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let names = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    none(names.filter(|name| !tools.contains(name)).collect(), "a folder in tools/ without a tool");
}

#[test]
fn files_and_functions_stay_short() {
    let mut broken = Vec::new();
    for (folder, files) in [("src", rust_files("src")), ("tests", rust_files("tests"))] {
        for file in files {
            let lines = file.product_lines();
            if lines > 500 {
                broken.push(format!("{folder}/{}: {lines} lines, at most 500 without tests", file.path));
            }
            broken.extend(file.long_functions(60).into_iter().map(|what| format!("{folder}/{}: {what}, at most 60", file.path)));
        }
    }
    none(broken, "small and whole");
}

#[test]
fn every_module_says_what_it_is() {
    each("a module begins with `//!`", |file| {
        let said = file.raw.starts_with("//!") || file.is_test();
        if said { Vec::new() } else { vec!["no //! at its head".to_owned()] }
    });
}

#[test]
fn nothing_unfinished_and_no_stray_output() {
    let unfinished = Regex::new(r"\b(todo|unimplemented|dbg)!").unwrap();
    let printing = Regex::new(r"\be?print(ln)?!").unwrap();
    each("stdout is protocol; unfinished work is not merged", |file| {
        let mut found: Vec<String> = unfinished.find_iter(&file.product).map(|m| m.as_str().to_owned()).collect();
        if !file.path.starts_with("cli/") && file.path != "main.rs" {
            found.extend(printing.find_iter(&file.product).map(|m| m.as_str().to_owned()));
        }
        found
    });
}

#[test]
fn every_allow_has_a_reason() {
    let attribute = Regex::new(r"#!?\[\s*(?:allow|expect)\s*\(").unwrap();
    each("an exception without a reason cannot be judged later", |file| {
        let silent = attribute.find_iter(&file.code).filter(|m| {
            let rest = &file.code[m.end()..];
            !rest[..rest.find(")]").unwrap_or(rest.len())].contains("reason")
        });
        silent.map(|m| format!("{}..)] without a reason", m.as_str())).collect()
    });
}

/// Text files that the repository holds, apart from build results.
fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "target" | ".git" | "node_modules" => {}
            _ if path.is_dir() => texts(&path, found),
            _ => found.push(path),
        }
    }
}

#[test]
fn no_file_names_somebodys_machine() {
    // In two parts, so that this file passes.
    let homes = [["/ro", "ot"], ["/wo", "rk"], ["/Us", "ers"]].map(|parts| parts.concat());
    let pattern = Regex::new(&format!(r#"(?m)(?:^|[\s"'`=(:])(?:{})(?:/[\w.-]+|["'`\s]|$)"#, homes.join("|"))).unwrap();
    let mut files = Vec::new();
    texts(root(), &mut files);
    let mut broken = Vec::new();
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        broken.extend(pattern.find_iter(&text).map(|m| format!("{}: {}", path.strip_prefix(root()).unwrap().display(), m.as_str().trim())));
    }
    none(broken, "a path that exists on one machine only");
}

#[test]
fn both_readmes_have_the_same_sections() {
    let sections = |name: &str| {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut fenced = false;
        let mut levels = Vec::new();
        for line in text.lines() {
            fenced ^= line.trim_start().starts_with("```");
            if !fenced && line.starts_with('#') {
                levels.push(line.chars().take_while(|&c| c == '#').count());
            }
        }
        levels
    };
    assert_eq!(sections("README.md"), sections("README.zh-CN.md"), "levels of the headings, in order");
}

#[test]
fn one_crypto_provider_and_no_openssl() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let banned = ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"];
    let found = banned.iter().filter(|name| lock.contains(&format!("name = \"{name}\"\n")));
    none(found.map(|name| format!("{name} is in Cargo.lock")).collect(), "see deny.toml");
}

/// The tables of promises in ARCHITECTURE.md name tests that exist.
#[test]
fn every_test_that_holds_a_promise_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sources: String = rust_files("src").iter().chain(&rust_files("tests")).map(|file| file.code.clone()).collect();
    let test = Regex::new("`([a-z0-9_]{12,})`").unwrap();
    let mut missing = Vec::new();
    for (promised, least) in [("acting", 30), ("HTTP", 15), ("what comes back", 8), ("reading files", 30)] {
        let section = text.split(&format!("## What is promised of {promised}")).nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
        let named: Vec<String> = test.captures_iter(section).map(|c| c[1].to_owned()).collect();
        assert!(named.len() > least, "the table of {promised} was not found");
        missing.extend(named.into_iter().filter(|name| !sources.contains(&format!("fn {name}("))));
    }
    none(missing, "a test of a table in ARCHITECTURE.md does not exist");
}
