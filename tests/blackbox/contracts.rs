//! The product's contract as data: `tools/` says what the wire must say. `UPDATE_CONTRACTS=1` rewrites it from the binary.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::support::{package, sandbox::Sandbox};

/// Clients cut descriptions here.
const MOST_DESCRIPTION_BYTES: usize = 2_048;

fn updating() -> bool {
    std::env::var_os("UPDATE_CONTRACTS").is_some_and(|value| value == "1")
}

fn folder(tool: &str) -> PathBuf {
    package().join("tools").join(tool)
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}; UPDATE_CONTRACTS=1 writes schemas and replies", path.display()))
}

fn read_json(path: PathBuf) -> Value {
    serde_json::from_str(&read(path.clone())).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write_json(path: PathBuf, value: &Value) {
    fs::write(path, format!("{value:#}\n")).unwrap();
}

fn tools() -> Vec<Value> {
    Sandbox::new("").serve().tools()
}

#[test]
fn the_wire_says_what_the_schemas_say() {
    let tools = tools();
    for tool in &tools {
        let name = tool["name"].as_str().unwrap();
        let mut contract = tool.clone();
        contract.as_object_mut().unwrap().remove("description");
        if updating() {
            fs::create_dir_all(folder(name)).unwrap();
            write_json(folder(name).join("schema.json"), &contract);
        }
        let expected = read_json(folder(name).join("schema.json"));
        let differences = differences(&expected, &contract, "");
        assert!(differences.is_empty(), "{name} differs from tools/{name}/schema.json:\n{}", differences.join("\n"));
    }
    let listed: BTreeSet<String> = tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    let folders: BTreeSet<String> = fs::read_dir(package().join("tools")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(listed, folders, "tools on the wire, folders in tools/");
}

#[test]
fn the_wire_says_what_the_descriptions_say() {
    for tool in tools() {
        let name = tool["name"].as_str().unwrap();
        let said = tool["description"].as_str().unwrap_or_default();
        assert_eq!(said, read(folder(name).join("description.md")).trim(), "{name}");
        assert!(said.len() < MOST_DESCRIPTION_BYTES, "{name}: {} bytes", said.len());
        assert!(said.contains("Use this tool"), "{name} does not say when to use it");
    }
}

#[test]
fn schemas_are_flat_enough_for_every_client() {
    for tool in tools() {
        let name = tool["name"].as_str().unwrap();
        for side in ["inputSchema", "outputSchema"] {
            let schema = &tool[side];
            assert_eq!(schema["type"], "object", "{name} {side}");
            for key in ["oneOf", "anyOf", "allOf"] {
                assert!(schema.get(key).is_none(), "{name} {side} has {key} at its root: some clients drop the tool");
            }
            assert_eq!(repeated_names(schema), Vec::<String>::new(), "{name} {side}: names twice in one `required`: validators reject the schema");
            let text = schema.to_string();
            for key in ["\"$ref\"", "\"$defs\"", "\"definitions\""] {
                assert!(!text.contains(key), "{name} {side} has {key}: some clients show no tool at all");
            }
        }
        let properties = tool["inputSchema"]["properties"].as_object().unwrap_or_else(|| panic!("{name} has no inputs"));
        for (input, schema) in properties {
            assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {input} is not described");
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name} takes inputs that it does not know");
    }
}

/// Names that stand twice in one `required`, at any depth.
fn repeated_names(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(object) => {
            let required: Vec<&str> = object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            let here = required.iter().enumerate().filter(|(i, name)| required[..*i].contains(name)).map(|(_, name)| (*name).to_owned());
            here.chain(object.values().flat_map(repeated_names)).collect()
        }
        Value::Array(items) => items.iter().flat_map(repeated_names).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_examples_are_true() {
    for tool in tools() {
        let name = tool["name"].as_str().unwrap();
        let path = folder(name).join("example.json");
        let mut example = read_json(path.clone());
        let sandbox = Sandbox::new(example["given"]["config"].as_str().unwrap_or_default());
        for (file, content) in example["given"]["files"].as_object().into_iter().flatten() {
            sandbox.write(file, content.as_str().unwrap());
        }
        let arguments = with_operation(&sandbox, &example["given"]["recovered"], sandbox.fill(&example["call"]["arguments"].to_string()));
        let reply = json!({"structuredContent": sandbox.serve().ok(name, &arguments)});
        let expected: Value = serde_json::from_str(&sandbox.fill(&example["reply"].to_string())).unwrap();
        if updating() {
            let text = rewritten(&expected, &reply).to_string().replace(sandbox.dir().to_str().unwrap(), "{dir}");
            example["reply"] = serde_json::from_str(&text).unwrap();
            write_json(path, &example);
            continue;
        }
        let differences = differences(&expected, &reply, "");
        assert!(differences.is_empty(), "tools/{name}/example.json:\n{}\nreply: {reply:#}", differences.join("\n"));
    }
}

/// The arguments, with `{operation_id}` standing for a recovery that is made first.
fn with_operation(sandbox: &Sandbox, recovered: &Value, arguments: String) -> Value {
    let Some((issue, target)) = recovered["issue_type"].as_str().zip(recovered["target"].as_str()) else {
        return serde_json::from_str(&arguments).unwrap();
    };
    let operation = sandbox.opsmedic(["recover", "run", issue, target, "--reason", "an example", "--json"]).expect_code(0).json();
    serde_json::from_str(&arguments.replace("{operation_id}", operation["operation_id"].as_str().unwrap())).unwrap()
}

/// Where two values differ; `"<any>"` on the expected side stands for anything that is there.
fn differences(expected: &Value, actual: &Value, at: &str) -> Vec<String> {
    match (expected, actual) {
        (Value::String(any), _) if any == "<any>" => Vec::new(),
        (Value::Object(e), Value::Object(a)) => {
            let keys: BTreeSet<&String> = e.keys().chain(a.keys()).collect();
            let side = |key: &String| match (e.get(key), a.get(key)) {
                (Some(e), Some(a)) => differences(e, a, &format!("{at}/{key}")),
                (Some(_), None) => vec![format!("{at}/{key}: missing")],
                _ => vec![format!("{at}/{key}: not expected")],
            };
            keys.into_iter().flat_map(side).collect()
        }
        (Value::Array(e), Value::Array(a)) if e.len() == a.len() => {
            e.iter().zip(a).enumerate().flat_map(|(i, (e, a))| differences(e, a, &format!("{at}/{i}"))).collect()
        }
        _ if expected == actual => Vec::new(),
        _ => vec![format!("{at}: expected {expected}, got {actual}")],
    }
}

/// The actual value, with `"<any>"` kept where the expected one has it.
fn rewritten(expected: &Value, actual: &Value) -> Value {
    match (expected, actual) {
        (Value::String(any), _) if any == "<any>" => expected.clone(),
        (Value::Object(e), Value::Object(a)) => a.iter().map(|(key, a)| (key.clone(), e.get(key).map_or_else(|| a.clone(), |e| rewritten(e, a)))).collect(),
        (Value::Array(e), Value::Array(a)) if e.len() == a.len() => e.iter().zip(a).map(|(e, a)| rewritten(e, a)).collect(),
        _ => actual.clone(),
    }
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    let expected = json!({"a": [1, {"b": "<any>"}], "c": true});
    assert_eq!(differences(&expected, &json!({"a": [1, {"b": {"x": 1}}], "c": true}), ""), Vec::<String>::new());
    let actual = json!({"a": [2, {}], "c": true, "d": 1});
    assert_eq!(differences(&expected, &actual, ""), ["/a/0: expected 1, got 2", "/a/1/b: missing", "/d: not expected"]);
    assert_eq!(rewritten(&expected, &json!({"a": [2, {"b": 5}]})), json!({"a": [2, {"b": "<any>"}]}));
}
