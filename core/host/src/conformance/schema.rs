//! JSON schemas, as far as plugins describe a configuration with them.
//!
//! Why not a validator of everything JSON schema knows: what is held against it is RON, where `()` is a struct of which
//! nothing is said, and a keyword that is not known here must not refuse anybody's profile.

use super::{Subject, Verdict, failed, from_ron_text, skipped, subject::OLD, warned};
use backout_protocol::message::{Answer, Expected, Request};
use serde_json::{Map, Value};
use std::cell::Cell;

/// Schemas refer to themselves; a value that is this deep is none.
const DEEPEST: usize = 64;
/// Forms in forms that refer to each other are tried a number of times that doubles with each: nothing of a plugin's is
/// looked at more often, for one value.
const MOST_LOOKS: u32 = 100_000;

const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "integer", "string"];

pub(super) fn valid(subject: &Subject) -> Verdict {
    let schema = of(subject)?;
    match malformed(&schema, &schema, "#") {
        None if schema.is_object() => Ok(()),
        None => Err(failed("it is no JSON object")),
        Some(why) => Err(failed(why)),
    }
}

pub(super) fn takes_examples(subject: &Subject) -> Verdict {
    let schema = of(subject)?;
    for example in subject.some_examples()?.iter().filter(|e| matches!(e.expect, Expected::Proposal(_))) {
        let name = &example.about;
        let config = from_ron_text(&example.config)
            .map_err(|e| failed(format!("example \"{name}\": its configuration is no RON: {e}")))?;
        if let Some(why) = violation(&schema, &config) {
            return Err(failed(format!("example \"{name}\": {why}")));
        }
    }
    Ok(())
}

/// The plugin's schema.
fn of(subject: &Subject) -> Result<Value, (super::Status, String)> {
    if !subject.knows_examples() {
        return Err(skipped(OLD));
    }
    match subject.ask(&Request::Schema)? {
        Answer::Schema(text) => {
            serde_json::from_str(&text).map_err(|e| failed(format!("it is no JSON: {e}")))
        }
        Answer::Failed(failure) => Err(warned(format!("it gives no schema: {}", failure.message))),
        _ => Err(failed("its answer is no schema")),
    }
}

/// What is wrong with a schema, and where; every schema in it is looked at.
fn malformed(schema: &Value, root: &Value, at: &str) -> Option<String> {
    let schema = match schema {
        Value::Bool(_) => return None,
        Value::Object(schema) => schema,
        _ => return Some(format!("`{at}` is no schema")),
    };
    let wrong = |word: &str| Some(format!("`{at}/{word}` is not what a JSON schema has there"));
    for (word, value) in schema {
        let below = format!("{at}/{word}");
        let fault = match word.as_str() {
            "type" => {
                let known = |v: &Value| v.as_str().is_some_and(|t| TYPES.contains(&t));
                let good = known(value) || value.as_array().is_some_and(|all| all.iter().all(known));
                if good { None } else { wrong(word) }
            }
            "properties" | "$defs" | "definitions" | "patternProperties" => match value.as_object() {
                None => wrong(word),
                Some(all) => all.iter().find_map(|(k, v)| malformed(v, root, &format!("{below}/{k}"))),
            },
            "additionalProperties" | "not" | "contains" | "propertyNames" => malformed(value, root, &below),
            "items" if value.is_array() => each(value, root, &below),
            "items" => malformed(value, root, &below),
            "oneOf" | "anyOf" | "allOf" | "prefixItems" => match value.as_array() {
                Some(all) if !all.is_empty() => each(value, root, &below),
                _ => wrong(word),
            },
            "required" => {
                let good = value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
                if good { None } else { wrong(word) }
            }
            "enum" => {
                if value.is_array() {
                    None
                } else {
                    wrong(word)
                }
            }
            "$ref" => match value.as_str().and_then(|r| target(root, r)) {
                Some(_) => None,
                None => Some(format!("`{below}` leads nowhere")),
            },
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
                if value.is_number() { None } else { wrong(word) }
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" => {
                if value.is_u64() {
                    None
                } else {
                    wrong(word)
                }
            }
            "title" | "description" | "$schema" | "pattern" | "format" => {
                if value.is_string() {
                    None
                } else {
                    wrong(word)
                }
            }
            _ => None,
        };
        if fault.is_some() {
            return fault;
        }
    }
    None
}

fn each(all: &Value, root: &Value, at: &str) -> Option<String> {
    let all = all.as_array().into_iter().flatten().enumerate();
    all.into_iter().find_map(|(n, one)| malformed(one, root, &format!("{at}/{n}")))
}

fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Where a value breaks a schema, if it does.
pub fn violation(schema: &Value, value: &Value) -> Option<String> {
    let looks = Cell::new(MOST_LOOKS);
    let why = breaks(&Held { root: schema, looks: &looks }, schema, value, "the configuration", DEEPEST);
    // Whatever the forms that were not tried would have said.
    if looks.get() == 0 { Some("its schema is too involved to be held against it".to_owned()) } else { why }
}

/// What is the same however deep it is looked.
struct Held<'a> {
    /// The whole schema.
    root: &'a Value,
    /// How many looks are left.
    looks: &'a Cell<u32>,
}

fn breaks(held: &Held, schema: &Value, value: &Value, at: &str, left: usize) -> Option<String> {
    let Some(left) = left.checked_sub(1) else { return Some(format!("{at} is too deep")) };
    held.looks.set(held.looks.get().saturating_sub(1));
    if held.looks.get() == 0 {
        return Some("too involved".to_owned());
    }
    let schema = match schema {
        Value::Bool(true) => return None,
        Value::Object(schema) => schema,
        _ => return Some(format!("{at} must not be there")),
    };
    // `()`: nothing, or a struct of which nothing is said.
    let empty = Value::Object(Map::new());
    let value =
        if value.is_null() && wants(schema, "object") && !wants(schema, "null") { &empty } else { value };
    let inner = |schema: &Value, value: &Value, at: &str| breaks(held, schema, value, at, left);
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let Some(target) = target(held.root, reference) else {
            return Some(format!("`{reference}` leads nowhere"));
        };
        if let Some(why) = inner(target, value, at) {
            return Some(why);
        }
    }
    if schema.contains_key("type") && !TYPES.iter().any(|t| is(value, t) && wants(schema, t)) {
        return Some(format!("{at} is {value}, which is of another type"));
    }
    if schema.get("const").is_some_and(|only| only != value)
        || schema.get("enum").and_then(Value::as_array).is_some_and(|all| !all.contains(value))
    {
        return Some(format!("{at} is {value}, which is none of what it may be"));
    }
    let limit = |word: &str| schema.get(word).and_then(Value::as_f64);
    if let Some(number) = value.as_f64()
        && (limit("minimum").is_some_and(|l| number < l) || limit("maximum").is_some_and(|l| number > l))
    {
        return Some(format!("{at} is {value}, which is too small or too large"));
    }
    let all = |word: &str| schema.get(word).and_then(Value::as_array);
    if let Some(why) = all("allOf").into_iter().flatten().find_map(|one| inner(one, value, at)) {
        return Some(why);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(forms) = all(word) {
            let tried = forms.iter().take_while(|_| held.looks.get() > 0);
            let fit = tried.filter(|one| inner(one, value, at).is_none()).count();
            if fit == 0 || (word == "oneOf" && fit > 1) {
                return Some(format!("{at} is {value}, which has {} of its {} forms", fit, forms.len()));
            }
        }
    }
    match value {
        Value::Object(fields) => object(schema, fields, at, &inner),
        Value::Array(items) => {
            let first = all("prefixItems").map_or(&[][..], Vec::as_slice);
            let rest = schema.get("items");
            let of = |n: usize| first.get(n).or(rest);
            let mut items = items.iter().enumerate();
            items.find_map(|(n, item)| inner(of(n)?, item, &format!("{at}[{n}]")))
        }
        _ => None,
    }
}

fn object(
    schema: &Map<String, Value>,
    fields: &Map<String, Value>,
    at: &str,
    inner: &impl Fn(&Value, &Value, &str) -> Option<String>,
) -> Option<String> {
    let known = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let mut required = required.filter_map(Value::as_str);
    if let Some(missing) = required.find(|name| !fields.contains_key(*name)) {
        return Some(format!("{at} has no `{missing}`"));
    }
    fields.iter().find_map(|(name, value)| {
        let below = format!("`{name}` of {at}");
        match (known.and_then(|k| k.get(name)), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => inner(schema, value, &below),
            (None, Some(Value::Bool(false))) => Some(format!("{at} has a `{name}`, which it may not have")),
            (None, _) => None,
        }
    })
}

fn wants(schema: &Map<String, Value>, kind: &str) -> bool {
    let same = |t: &Value| t.as_str().is_some_and(|t| t == kind || (t == "number" && kind == "integer"));
    match schema.get("type") {
        Some(Value::Array(all)) => all.iter().any(same),
        Some(one) => same(one),
        None => false,
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        serde_json::json!({
            "type": "object", "additionalProperties": false, "required": ["from"],
            "properties": {
                "from": { "type": "string" },
                "most": { "type": ["integer", "null"], "minimum": 0, "maximum": 255 },
                "how": { "oneOf": [{ "const": "Fast" }, { "type": "object", "required": ["Slow"], "additionalProperties": false,
                    "properties": { "Slow": { "type": "number" } } }] },
                "all": { "type": "array", "items": { "$ref": "#/$defs/more" } },
            },
            "$defs": { "more": { "type": "object", "properties": { "all": { "$ref": "#/$defs/more" } } } },
        })
    }

    #[test]
    fn a_configuration_is_held_against_its_schema() {
        let schema = schema();
        assert_eq!(malformed(&schema, &schema, "#"), None);
        let says = |config: &str| violation(&schema, &from_ron_text(config).unwrap());
        for good in [
            r#"(from: "a")"#,
            r#"(from: "a", most: 3, how: Fast, all: [(), (all: ())])"#,
            r#"(from: "a", most: None, how: Slow(1.5))"#,
        ] {
            assert_eq!(says(good), None, "{good}");
        }
        for (bad, why) in [
            ("()", "no `from`"),
            (r#"(from: 1)"#, "of another type"),
            (r#"(from: "a", most: 256)"#, "too large"),
            (r#"(from: "a", how: Quick)"#, "0 of its 2 forms"),
            (r#"(from: "a", else: 1)"#, "has a `else`"),
            (r#"(from: "a", all: [(), 1])"#, "`all` of the configuration[1]"),
        ] {
            assert!(says(bad).is_some_and(|w| w.contains(why)), "{bad}: {:?}", says(bad));
        }
    }

    #[test]
    fn what_is_no_schema_is_said_with_its_place() {
        for (bad, at) in [
            (r#"{"type":"text"}"#, "#/type"),
            (r##"{"$ref":"#/nowhere"}"##, "#/$ref"),
            (r#"{"properties":{"a":{"required":"b"}}}"#, "#/properties/a/required"),
            (r#"{"oneOf":[]}"#, "#/oneOf"),
            (r#"{"items":3}"#, "#/items"),
        ] {
            let bad: Value = serde_json::from_str(bad).unwrap();
            assert!(malformed(&bad, &bad, "#").is_some_and(|w| w.contains(at)), "{bad}");
        }
    }

    #[test]
    fn a_schema_that_leads_to_itself_ends() {
        let round = serde_json::json!({ "$ref": "#" });
        assert!(violation(&round, &Value::Null).is_some_and(|w| w.contains("too deep")));
    }
    #[test]
    fn a_schema_whose_forms_lead_to_each_other_is_given_up() {
        let round = serde_json::json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }, { "$ref": "#" }] });
        assert!(violation(&round, &Value::Null).is_some_and(|w| w.contains("too involved")));
    }
}
