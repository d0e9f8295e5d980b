//! A configuration as a JSON schema sees it.

use backout_protocol::text::ron_options;
use serde::Deserialize;
use serde_json::Value;

/// RON's own value loses the names of variants. Read as one of several forms, serde keeps them: `Fast` is "Fast" and
/// `Slow(3)` is {"Slow": 3}, as JSON would write both.
#[derive(Deserialize)]
#[serde(untagged)]
enum Any {
    Value(Value),
}

/// RON text as the JSON that means the same. `()` is null there, whether it stands for nothing or for a struct of which
/// nothing is said.
///
/// # Errors
/// It is no RON: why.
pub fn from_ron_text(text: &str) -> Result<Value, String> {
    let Any::Value(value) = ron_options().from_str(text).map_err(|e| e.to_string())?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_variants_are_kept() {
        let text =
            r#"(a: 1, b: Foo, c: Bar(3), d: Baz(x: "y"), e: Some([A]), f: (), g: None, h: {"k": true})"#;
        let json = r#"{"a":1,"b":"Foo","c":{"Bar":3},"d":{"Baz":{"x":"y"}},"e":["A"],"f":null,"g":null,"h":{"k":true}}"#;
        assert_eq!(super::from_ron_text(text).unwrap(), serde_json::from_str::<super::Value>(json).unwrap());
        assert!(super::from_ron_text("(a: 1").is_err());
    }
}
