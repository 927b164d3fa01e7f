//! In what two configurations differ.

use serde::Serialize;
use serde_json::Value;

/// The first field in which the stored and the wanted value differ, with both; none if they agree.
///
/// Both are compared as JSON gives them back: a reader may round a number's last digit.
pub(super) fn difference<T: Serialize>(field: &str, stored: &T, wanted: &T) -> Option<String> {
    let [stored, wanted] = [stored, wanted].map(as_read);
    (stored != wanted).then(|| first(field, &stored, &wanted))
}

/// A value as a reader of its JSON finds it.
pub(super) fn as_read<T: Serialize>(value: &T) -> Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn first(path: &str, stored: &Value, wanted: &Value) -> String {
    if let (Value::Object(a), Value::Object(b)) = (stored, wanted) {
        let differing = a
            .keys()
            .chain(b.keys())
            .find(|key| a.get(*key) != b.get(*key));
        if let Some(key) = differing {
            let [a, b] = [a, b].map(|of| of.get(key).unwrap_or(&Value::Null));
            return first(&format!("{path}.{key}"), a, b);
        }
    }
    format!("{path} is {stored} in it, and {wanted} here")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_innermost_field_is_named_with_both_values() {
        let a = json!({"sde": {"kind": "vp", "beta": [0.1, 20.0]}, "steps": 3});
        let b = json!({"sde": {"kind": "vp", "beta": [0.1, 10.0]}, "steps": 3});
        assert_eq!(difference("run", &a, &a), None);
        assert_eq!(
            difference("run", &a, &b).unwrap(),
            "run.sde.beta is [0.1,20.0] in it, and [0.1,10.0] here"
        );
        assert!(
            difference("run", &a, &json!({"steps": 3}))
                .unwrap()
                .contains("null here")
        );
    }

    #[test]
    fn numbers_agree_with_what_their_own_text_is_read_as() {
        let awkward: f64 = 0.1 + 0.7 + 1e-17;
        let stored = as_read(&json!({ "x": awkward }));
        assert_eq!(difference("run", &stored, &json!({ "x": awkward })), None);
    }
}
