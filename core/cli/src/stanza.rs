//! RON to fill in, made from a JSON schema: every field with what it is about; what need not be given is commented out.

use serde_json::Value;
use std::cell::Cell;

/// Schemas refer to themselves; what is this deep is left to the reader.
const DEEPEST: usize = 6;
const WIDTH: usize = 100;
/// No more of a schema is looked at: one that refers to itself many times is too involved for anybody who reads.
const MOST_LOOKS: u32 = 100_000;
/// No stanza is longer, in bytes.
const LONGEST: usize = 1 << 20;

/// The stanza of a schema; `None`: the schema is too involved for one.
pub(crate) fn of(schema: &Value) -> Option<String> {
    let root = Root { schema, looks: Cell::new(MOST_LOOKS), room: Cell::new(LONGEST) };
    let mut out = String::new();
    comment(&mut out, schema, 0);
    out.push_str(&value(schema, &root, 0));
    out.push('\n');
    (!root.spent() && out.len() <= LONGEST).then_some(out)
}

/// The whole schema, and how much more may be made of it. It comes from a plugin, which may mean ill.
struct Root<'a> {
    schema: &'a Value,
    looks: Cell<u32>,
    /// Bytes. Text counts where it is made, and again in whatever it is put into.
    room: Cell<usize>,
}

impl Root<'_> {
    fn spent(&self) -> bool {
        self.looks.get() == 0 || self.room.get() == 0
    }

    /// One more look; `false`: there is none left.
    fn look(&self) -> bool {
        self.looks.set(self.looks.get().saturating_sub(1));
        !self.spent()
    }

    /// Nothing more is made where this is too long already.
    fn takes_to(&self, out: &str) {
        if out.len() > LONGEST {
            self.room.set(0);
        }
    }

    fn takes(&self, text: String) -> String {
        self.room.set(self.room.get().saturating_sub(text.len()));
        if self.spent() { String::new() } else { text }
    }
}

fn comment(out: &mut String, schema: &Value, indent: usize) {
    let pad = " ".repeat(indent * 4);
    let text = schema.get("description").and_then(Value::as_str).unwrap_or("");
    for line in text.lines() {
        let mut row = String::new();
        for word in line.split_whitespace() {
            if !row.is_empty() && pad.len() + row.len() + word.len() > WIDTH {
                out.push_str(&format!("{pad}// {row}\n"));
                row.clear();
            }
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
        out.push_str(&format!("{pad}// {row}\n"));
    }
}

/// What a reference leads to.
fn resolved<'a>(schema: &'a Value, root: &Root<'a>) -> &'a Value {
    let mut at = schema;
    for _ in 0..DEEPEST {
        let reference = at.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
        match reference.and_then(|r| root.schema.pointer(r)) {
            Some(target) => at = target,
            None => return at,
        }
    }
    at
}

/// The forms that a value may have, but nothing.
fn forms<'a>(schema: &'a Value, root: &Root<'a>) -> Vec<&'a Value> {
    let all = ["oneOf", "anyOf"].iter().find_map(|word| schema.get(word)?.as_array());
    let all = all.into_iter().flatten().take_while(|_| root.look()).map(|form| resolved(form, root));
    all.filter(|form| form.get("type").and_then(Value::as_str) != Some("null")).collect()
}

fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(all) => all.iter().filter_map(Value::as_str).find(|k| *k != "null"),
        _ => None,
    }
}

/// A value to begin with.
fn value<'a>(schema: &'a Value, root: &Root<'a>, depth: usize) -> String {
    if !root.look() {
        return String::new();
    }
    let made = begun(schema, root, depth);
    root.takes(made)
}

fn begun<'a>(schema: &'a Value, root: &Root<'a>, depth: usize) -> String {
    let here = resolved(schema, root);
    if let Some(default) = schema.get("default").or_else(|| here.get("default")).filter(|d| !d.is_null()) {
        return ron(default);
    }
    if let Some(only) = here.get("const") {
        return variant(only);
    }
    if let Some(first) = here.get("enum").and_then(Value::as_array).and_then(|all| all.first()) {
        return variant(first);
    }
    if let Some(first) = forms(here, root).first() {
        return if depth < DEEPEST { form(first, root, depth) } else { "()".to_owned() };
    }
    match kind(here) {
        Some("string") => "\"\"".to_owned(),
        Some("integer") => here.get("minimum").map_or_else(|| "0".to_owned(), ron),
        Some("number") => "0.0".to_owned(),
        Some("boolean") => "false".to_owned(),
        Some("array") => "[]".to_owned(),
        Some("object") if here.get("properties").is_some() && depth < DEEPEST => fields(here, root, depth),
        Some("object")
            if here.get("properties").is_none()
                && here.get("additionalProperties").is_some_and(Value::is_object) =>
        {
            "{}".to_owned()
        }
        _ => "()".to_owned(),
    }
}

/// One of several forms: a variant without a value is its name, one with a value is an object with one field.
fn form<'a>(form: &'a Value, root: &Root<'a>, depth: usize) -> String {
    let required = form.get("required").and_then(Value::as_array);
    let properties = form.get("properties").and_then(Value::as_object);
    match (required.map(Vec::as_slice), properties) {
        (Some([Value::String(name)]), Some(all)) if all.len() == 1 && is_name(name) => {
            let inner = all.get(name).map_or_else(String::new, |inner| value(inner, root, depth + 1));
            // A struct's own parentheses do for the variant too.
            if inner.starts_with('(') { format!("{name}{inner}") } else { format!("{name}({inner})") }
        }
        _ => value(form, root, depth + 1),
    }
}

fn fields<'a>(schema: &'a Value, root: &Root<'a>, depth: usize) -> String {
    let required = schema.get("required").and_then(Value::as_array);
    let required = |name: &str| required.is_some_and(|all| all.iter().any(|n| n.as_str() == Some(name)));
    let mut out = String::from("(\n");
    let pad = " ".repeat((depth + 1) * 4);
    let all = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, field) in all.take_while(|_| root.look()) {
        root.takes_to(&out);
        let Some(plain) = plain(name) else {
            // What is no name would be read as a part of the profile: a line break in it begins a line.
            out.push_str(&format!("{pad}// the field {} cannot be written in RON\n", quoted(name)));
            continue;
        };
        let described = if field.get("description").is_some() { field } else { resolved(field, root) };
        comment(&mut out, described, depth + 1);
        if let Some(choices) = choices(field, root, 0) {
            out.push_str(&format!("{pad}// one of: {choices}\n"));
        }
        let text = format!("{plain}: {},", value(field, root, depth + 1));
        let must = required(name);
        for (n, line) in text.lines().enumerate() {
            // The lines behind the first bring their own blanks.
            let line = if n == 0 { line } else { line.strip_prefix(&pad).unwrap_or(line) };
            let mark = if must { "" } else { "// " };
            out.push_str(&format!("{pad}{mark}{line}\n"));
        }
    }
    out.push_str(&" ".repeat(depth * 4));
    out.push(')');
    out
}

/// What an enum's values are.
fn choices<'a>(schema: &'a Value, root: &Root<'a>, depth: usize) -> Option<String> {
    if depth == DEEPEST || !root.look() {
        return None;
    }
    let here = resolved(schema, root);
    if let Some(all) = here.get("enum").and_then(Value::as_array) {
        return Some(all.iter().filter(|v| !v.is_null()).map(variant).collect::<Vec<_>>().join(", "));
    }
    let forms = forms(here, root);
    if forms.len() < 2 {
        return forms.first().and_then(|form| choices(form, root, depth + 1));
    }
    let name = |form: &&Value| {
        let property = form.get("properties").and_then(Value::as_object).and_then(|p| p.keys().next());
        match (form.get("const"), form.get("enum").and_then(Value::as_array), property) {
            (Some(only), _, _) => variant(only),
            (None, Some(all), _) => all.iter().map(variant).collect::<Vec<_>>().join(", "),
            (None, None, Some(name)) => format!("{}(..)", plain(name).unwrap_or_else(|| quoted(name))),
            (None, None, None) => kind(form)
                .map_or_else(|| "a value".to_owned(), |kind| plain(kind).unwrap_or_else(|| quoted(kind))),
        }
    };
    let name = |form: &&Value| root.takes(name(form));
    Some(forms.iter().map(name).collect::<Vec<_>>().join(", "))
}

/// The values of an enum are names in RON.
fn variant(value: &Value) -> String {
    value.as_str().and_then(plain).unwrap_or_else(|| ron(value))
}

/// A name as RON writes it, if it can.
fn plain(name: &str) -> Option<String> {
    let raw = |b: u8| b.is_ascii_alphanumeric() || b"_-.+".contains(&b);
    if is_name(name) {
        Some(name.to_owned())
    } else {
        (!name.is_empty() && name.bytes().all(raw)).then(|| format!("r#{name}"))
    }
}

/// Any text on one line.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A value of JSON as RON. What names it has are those of a map: whether it is a struct, its schema says elsewhere.
fn ron(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::String(_) | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(ron).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.keys().all(|k| is_name(k)) => {
            let all = fields.iter().map(|(k, v)| format!("{k}: {}", ron(v)));
            format!("({})", all.collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let all = fields.iter().map(|(k, v)| format!("{}: {}", Value::String(k.clone()), ron(v)));
            format!("{{{}}}", all.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_given_is_there_and_the_rest_is_a_comment() {
        let schema = json(
            r##"{"description":"Settings.","type":"object","required":["from","how"],"properties":{
                "from":{"type":"string","description":"Where they lie."},
                "how":{"$ref":"#/$defs/How"},
                "most":{"type":["integer","null"],"default":7},
                "inner":{"$ref":"#/$defs/Inner"}},
                "$defs":{
                "How":{"oneOf":[{"const":"Fast","description":"At once."},
                    {"type":"object","required":["Slow"],"properties":{"Slow":{"type":"integer"}}}]},
                "Inner":{"type":"object","properties":{"again":{"$ref":"#/$defs/Inner"}}}}}"##,
        );
        let text = of(&schema).unwrap();
        for line in [
            "// Settings.\n(\n",
            "    // Where they lie.\n    from: \"\",\n",
            "    // one of: Fast, Slow(..)\n    how: Fast,\n",
            "    // most: 7,\n",
            "    // inner: (\n",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
        assert!(text.len() < 4000, "a schema that leads to itself ends");
        #[derive(Debug, serde::Deserialize, PartialEq)]
        struct Read {
            from: String,
            how: How,
        }
        #[derive(Debug, serde::Deserialize, PartialEq)]
        enum How {
            Fast,
        }
        let read: Read = backout_protocol::text::from_ron("stanza", &text).unwrap();
        assert_eq!(read, Read { from: String::new(), how: How::Fast });
    }

    #[test]
    fn a_schema_that_leads_to_itself_in_circles_ends() {
        let round = json(
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"anyOf":[{"$ref":"#/$defs/A"}]}}}"##,
        );
        assert!(of(&round).is_some_and(|text| text.contains("// a: ")));
        let fields = (0..60).map(|n| (format!("f{n}"), json(r##"{"$ref":"#"}"##)));
        let wide =
            serde_json::json!({ "type": "object", "properties": fields.collect::<serde_json::Map<_, _>>() });
        assert_eq!(of(&wide), None);
        let long = "x".repeat(LONGEST / 100);
        let field = serde_json::json!({ "type": "string", "description": long });
        let fields = (0..200).map(|n| (format!("f{n}"), field.clone()));
        let long =
            serde_json::json!({ "type": "object", "properties": fields.collect::<serde_json::Map<_, _>>() });
        assert_eq!(of(&long), None);
    }

    #[test]
    fn names_that_are_none_do_not_come_into_the_stanza() {
        let text = of(&json(
            r##"{"type":"object","required":["a\nb: 1,\n//"],"properties":{"a\nb: 1,\n//":{"type":"string"},
                "a-b":{"oneOf":[{"type":"integer"},{"properties":{"x\ny":true}},{"type":"z\nz"}]}}}"##,
        ));
        let lines = [
            "(",
            "    // the field \"a\\nb: 1,\\n//\" cannot be written in RON",
            "    // one of: integer, \"x\\ny\"(..), \"z\\nz\"",
            "    // r#a-b: 0,",
            ")",
        ];
        let text = text.unwrap();
        let mut made: Vec<&str> = text.lines().collect();
        made.sort_unstable();
        let mut lines = lines.to_vec();
        lines.sort_unstable();
        assert_eq!(made, lines);
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }
}
