//! JSON schemas as the pickiest clients want them: flat, without `$ref` and without `null` types.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

/// The schema of a type.
pub(super) fn of<T: JsonSchema>() -> JsonObject {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    let Value::Object(mut object) = schema else { return JsonObject::new() };
    object.remove("title");
    object.remove("description");
    object.entry("properties").or_insert_with(|| Value::Object(JsonObject::new()));
    object
}

/// The schema of an answer: the type's own properties and those that every answer has.
pub(super) fn of_answer<T: JsonSchema>() -> JsonObject {
    let mut object = of::<T>();
    let Value::Object(common) = Value::Object(of::<super::answer::Common>()) else { return object };
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
    object
}

/// Absent is how we say nothing: `null` alternatives are taken out. Formats that are no JSON Schema formats go too.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
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
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.retain(|v| !v.is_null());
            }
            flatten_constants(object);
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if object.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("int") || f.starts_with("uint") || f == "double" || f == "float") {
                object.remove("format");
            }
            object.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// A documented enum comes as `oneOf` of constants; `enum` says the same and every client reads it.
fn flatten_constants(object: &mut JsonObject) {
    let Some(Value::Array(options)) = object.get("oneOf") else { return };
    let constants: Option<Vec<Value>> = options.iter().map(|o| o.get("const").cloned()).collect();
    let described: Vec<String> =
        options.iter().filter_map(|o| Some(format!("{}: {}", o.get("const")?.as_str()?, o.get("description")?.as_str()?.trim_end_matches('.')))).collect();
    if let Some(constants) = constants {
        object.remove("oneOf");
        object.insert("type".to_owned(), "string".into());
        object.insert("enum".to_owned(), Value::Array(constants));
        let meaning = described.join("; ");
        let text = object.get("description").and_then(Value::as_str).map_or_else(|| meaning.clone(), |own| format!("{own} {meaning}"));
        object.insert("description".to_owned(), text.trim().into());
    }
}
