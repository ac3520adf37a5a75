//! As much of JSON Schema 2020-12 as the contract uses; what it does not know, it refuses.

use serde_json::Value;
use trueup_channel::MESSAGE_SCHEMA;

pub fn contract() -> Value {
    serde_json::from_str(MESSAGE_SCHEMA).expect("the schema is JSON")
}

/// Why a value does not fit, by path; none if it fits.
pub fn misfit(root: &Value, value: &Value) -> Option<String> {
    check(root, root, value, "").err()
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let keywords = schema.as_object().expect("a schema is an object");
    let fail = |why: &str| Err(format!("{path}: {why}"));
    for (keyword, rule) in keywords {
        match keyword.as_str() {
            // They say nothing about what fits; `required` and `properties` are below.
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => {}
            "$ref" => {
                let name = rule.as_str().and_then(|rule| rule.strip_prefix("#/$defs/"));
                let name = name.expect("a definition of this schema");
                check(root, &root["$defs"][name], value, path)?;
            }
            "type" => {
                let names = match rule {
                    Value::Array(names) => names.clone(),
                    name => vec![name.clone()],
                };
                if !names.iter().any(|name| is_type(name.as_str().expect("a type"), value)) {
                    return fail("another type");
                }
            }
            "const" if rule != value => return fail("another value"),
            "enum" if !rule.as_array().expect("a list").contains(value) => {
                return fail("an unknown word");
            }
            "const" | "enum" => {}
            "pattern" => {
                if let Some(text) = value.as_str()
                    && !matches(rule.as_str().expect("a pattern"), text)
                {
                    return fail("another form");
                }
            }
            "minimum" | "maximum" => {
                let (bound, Some(number)) = (rule.as_i64().expect("whole"), value.as_i64()) else {
                    continue;
                };
                let fits = if keyword == "minimum" { number >= bound } else { number <= bound };
                if !fits {
                    return fail("out of bounds");
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{path}[{index}]"))?;
                }
            }
            "properties" => {
                for (name, own) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(name) {
                        check(root, rule, own, &format!("{path}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(rule, false, "only closed objects");
                let known = &keywords["properties"];
                for name in value.as_object().into_iter().flat_map(|fields| fields.keys()) {
                    if known.get(name).is_none() {
                        return fail(&format!("unknown field {name}"));
                    }
                }
            }
            "required" => {
                for name in rule.as_array().expect("a list") {
                    let name = name.as_str().expect("a name");
                    if value.is_object() && value.get(name).is_none() {
                        return fail(&format!("{name} is missing"));
                    }
                }
            }
            "anyOf" | "oneOf" => {
                let rules = rule.as_array().expect("a list").iter();
                let fit = rules.filter(|rule| check(root, rule, value, path).is_ok()).count();
                if fit == 0 || (keyword == "oneOf" && fit > 1) {
                    return fail("none, or too many, of the choices");
                }
            }
            other => panic!("this reader of schemas does not know `{other}`"),
        }
    }
    Ok(())
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("an unknown type `{other}`"),
    }
}

/// The three patterns of the contract; another one has to be taught here first.
fn matches(pattern: &str, text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match pattern {
        "^[A-Za-z0-9._:-]{1,64}$" => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
            (1..=64).contains(&text.len()) && text.bytes().all(plain)
        }
        "^-?[0-9]+(\\.[0-9]+)?$" => {
            let text = text.strip_prefix('-').unwrap_or(text);
            match text.split_once('.') {
                Some((whole, fraction)) => digits(whole) && digits(fraction),
                None => digits(text),
            }
        }
        "^[A-Z]{3}$" => text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        other => panic!("an unknown pattern `{other}`"),
    }
}
