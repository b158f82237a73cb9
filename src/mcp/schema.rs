//! JSON schemas as the pickiest clients want them: without `null` types, and those of arguments flat. In those of answers a type that occurs more than
//! once stands in `$defs`, and values are named without what they mean, which an answer says of its own: otherwise the list of tools would be a third
//! larger.

use std::collections::BTreeMap;

use rmcp::model::JsonObject;
use schemars::{
    JsonSchema,
    generate::{SchemaGenerator, SchemaSettings},
};
use serde_json::Value;

/// Where shared types are, as a `$ref` says it.
const DEFS: &str = "#/$defs/";

fn generator(flat: bool) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = flat;
    settings.meta_schema = None;
    settings.into_generator()
}

/// The schema of a type, everything in its place: some clients show no tool at all where an argument's schema has a `$ref`.
pub(super) fn of<T: JsonSchema>() -> JsonObject {
    let mut object = root::<T>(&mut generator(true));
    object.values_mut().for_each(|value| tidy(value, Values::Explained));
    object
}

/// A type's own keywords and properties.
fn root<T: JsonSchema>(generator: &mut SchemaGenerator) -> JsonObject {
    let Value::Object(mut object) = generator.root_schema_for::<T>().to_value() else { return JsonObject::new() };
    for key in ["title", "description", "$defs"] {
        object.remove(key);
    }
    object.entry("properties").or_insert_with(|| Value::Object(JsonObject::new()));
    object
}

/// The schema of an answer: the type's own properties and those that every answer has.
pub(super) fn of_answer<T: JsonSchema>() -> JsonObject {
    let mut generator = generator(false);
    let mut object = root::<T>(&mut generator);
    let common = root::<super::answer::Common>(&mut generator);
    if let (Some(Value::Object(own)), Some(Value::Object(more))) = (object.get_mut("properties"), common.get("properties")) {
        own.extend(more.clone());
    }
    if let Some(Value::Array(more)) = common.get("required") {
        let required = object.entry("required").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(own) = required {
            // An answer that names its host itself has it once.
            own.extend(more.iter().filter(|name| !own.contains(name)).cloned().collect::<Vec<_>>());
        }
    }
    share(object, generator.take_definitions(true).into_iter().collect())
}

/// The schema with these definitions: those that are used once in their place, the others beside it.
fn share(object: JsonObject, definitions: JsonObject) -> JsonObject {
    let mut uses = BTreeMap::new();
    let mut whole = Value::Object(object);
    count(&whole, &mut uses);
    definitions.values().for_each(|definition| count(definition, &mut uses));
    let once: JsonObject = definitions.iter().filter(|(name, _)| uses.get(*name) == Some(&1)).map(|(name, of)| (name.clone(), of.clone())).collect();
    put_in(&mut whole, &once);
    tidy(&mut whole, Values::Named);
    let mut shared = JsonObject::new();
    for (name, mut definition) in definitions.into_iter().filter(|(name, _)| uses.get(name).is_some_and(|uses| *uses > 1)) {
        put_in(&mut definition, &once);
        tidy(&mut definition, Values::Named);
        shared.insert(name, definition);
    }
    let Value::Object(mut object) = whole else { return JsonObject::new() };
    if !shared.is_empty() {
        object.insert("$defs".to_owned(), Value::Object(shared));
    }
    object
}

/// The definition that an object refers to.
fn referred(object: &JsonObject) -> Option<&str> {
    object.get("$ref")?.as_str()?.strip_prefix(DEFS)
}

/// How often each definition is referred to.
fn count(value: &Value, uses: &mut BTreeMap<String, usize>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| count(item, uses)),
        Value::Object(object) => {
            if let Some(name) = referred(object) {
                *uses.entry(name.to_owned()).or_default() += 1;
            }
            object.values().for_each(|value| count(value, uses));
        }
        _ => {}
    }
}

/// Puts these definitions where they are referred to; what is said there of the value stays.
fn put_in(value: &mut Value, definitions: &JsonObject) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| put_in(item, definitions)),
        Value::Object(object) => {
            if let Some(Value::Object(definition)) = referred(object).and_then(|name| definitions.get(name)) {
                object.remove("$ref");
                for (key, value) in definition {
                    object.entry(key).or_insert_with(|| value.clone());
                }
            }
            object.values_mut().for_each(|value| put_in(value, definitions));
        }
        _ => {}
    }
}

/// What is said of the values of an enumeration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Named,
    Explained,
}

/// Absent is how we say nothing: `null` alternatives are taken out. Formats that are no JSON Schema formats go too.
fn tidy(value: &mut Value, values: Values) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, values)),
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(options)) = object.get_mut("anyOf") {
                options.retain(|o| o.get("type").and_then(Value::as_str) != Some("null"));
                if let [Value::Object(only)] = options.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            if let Some(Value::Array(all)) = object.get_mut("enum") {
                all.retain(|v| !v.is_null());
            }
            flatten_constants(object, values);
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if object.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("int") || f.starts_with("uint") || f == "double" || f == "float") {
                object.remove("format");
            }
            object.values_mut().for_each(|value| tidy(value, values));
        }
        _ => {}
    }
}

/// A documented enum comes as `oneOf` of constants; `enum` says the same and every client reads it.
fn flatten_constants(object: &mut JsonObject, values: Values) {
    let Some(Value::Array(options)) = object.get("oneOf") else { return };
    let constants: Option<Vec<Value>> = options.iter().map(|o| o.get("const").cloned()).collect();
    let described: Vec<String> =
        options.iter().filter_map(|o| Some(format!("{}: {}", o.get("const")?.as_str()?, o.get("description")?.as_str()?.trim_end_matches('.')))).collect();
    if let Some(constants) = constants {
        object.remove("oneOf");
        object.insert("type".to_owned(), "string".into());
        object.insert("enum".to_owned(), Value::Array(constants));
        if values == Values::Named {
            return;
        }
        let meaning = described.join("; ");
        let text = object.get("description").and_then(Value::as_str).map_or_else(|| meaning.clone(), |own| format!("{own} {meaning}"));
        object.insert("description".to_owned(), text.trim().into());
    }
}
