//! A body or a query that is not of the form a route takes, said to people: which member, and what it has to be.
//!
//! Serde's own sentences quote what was sent, which may be a secret, and speak of the program's types. Only what was expected is
//! kept of them.

use serde::de::DeserializeOwned;

use crate::error::{Code, FieldError, Problem};

/// The longest place that is named, in bytes: keys of an object are whatever somebody sends.
const PATH_MAX: usize = 200;

/// What was wrong with a JSON body that serde refused with `error`.
pub(super) fn body<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    // Read once more, and watched this time: where it failed. The first reading is the one that has to be fast.
    let mut track = serde_path_to_error::Track::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let _ = T::deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut track)).map(drop);
    let text = error.to_string();
    let (text, path) = (text.split(" at line ").next().unwrap_or_default(), track.path().to_string());
    // Of a tagged or flattened body serde says no place.
    let path =
        if path == "." || path.contains('?') || path.len() > PATH_MAX { String::new() } else { path.replace('[', ".").replace(']', "") };
    if let Some(name) = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        return said(text, &field, "required", "This is needed.");
    }
    match wanted(text) {
        Some(wanted) => said(
            &format!("`{}` has to be {wanted}", if path.is_empty() { "a member" } else { &path }),
            &path,
            "invalid_type",
            &format!("This has to be {wanted}."),
        ),
        // Names of members, known and unknown ones, and what our own types say.
        None => said(&text.chars().take(300).collect::<String>(), "", "", ""),
    }
}

fn said(what: &str, field: &str, code: &'static str, message: &str) -> Problem {
    let mut problem = Problem::new(Code::InvalidRequest).detail(format!("The request body is not what this route takes: {what}."));
    if !field.is_empty() {
        problem.errors.push(FieldError { field: field.to_owned().into(), code, message: message.to_owned().into() });
    }
    problem
}

/// What was wrong with a query string; `text` is what axum says of it.
pub(super) fn query(text: &str) -> Problem {
    let problem = Problem::new(Code::InvalidRequest);
    let Some((name, fault)) = text.strip_prefix("Failed to deserialize query string: ").and_then(|rest| rest.split_once(": ")) else {
        return problem.detail("The query string has a value of the wrong form.");
    };
    let is_name = !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    if !is_name {
        return problem.detail("The query string has a value of the wrong form.");
    }
    let wanted = match fault {
        _ if fault.contains("invalid digit")
            || fault.contains("too large")
            || fault.contains("too small")
            || fault.contains("empty string") =>
        {
            Some("a whole number within the range that the reference names".to_owned())
        }
        _ if fault.contains("`true` or `false`") => Some("`true` or `false`".to_owned()),
        _ => wanted(fault),
    };
    let wanted = wanted.unwrap_or_else(|| "of another form; the API reference names it".to_owned());
    problem.detail(format!("The parameter `{name}` has to be {wanted}.")).field(
        name.to_owned(),
        "invalid_type",
        format!("This has to be {wanted}."),
    )
}

/// What serde expected, in the words of JSON.
fn wanted(text: &str) -> Option<String> {
    if text.starts_with("UUID parsing failed") {
        return Some("an id, as in 01920000-0000-7000-8000-000000000000".to_owned());
    }
    let mistyped =
        ["invalid type: ", "invalid value: ", "unknown variant ", "provided string was not"].iter().any(|start| text.starts_with(start));
    if !mistyped {
        return None;
    }
    let expected = text.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    Some(match expected {
        "" => "of another type".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below zero".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "an object".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if expected.starts_with("struct ") => "an object".to_owned(),
        _ => expected.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its form counts")]
    struct Order {
        name: String,
        lines: Vec<Line>,
        kind: Option<Kind>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its form counts")]
    struct Line {
        count: u32,
        of: uuid::Uuid,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Csv,
        Json,
        Pdf,
    }

    fn refused(text: &str) -> (String, Option<(String, &'static str)>) {
        let Err(error) = serde_json::from_str::<Order>(text) else { panic!("{text} was taken") };
        let problem = super::body::<Order>(text.as_bytes(), &error);
        let fault = problem.errors.first().map(|fault| (fault.field.to_string(), fault.code));
        (problem.detail.into_owned(), fault)
    }

    #[test]
    fn the_member_is_named_and_its_value_is_not() {
        let (detail, fault) = refused(r#"{"name": 12345678, "lines": []}"#);
        assert!(detail.contains("`name` has to be a string") && !detail.contains("12345678"), "{detail}");
        assert_eq!(fault, Some(("name".to_owned(), "invalid_type")));
        let (detail, fault) =
            refused(r#"{"name": "a", "lines": [{"count": 1, "of": "01920000-0000-7000-8000-000000000000"}, {"count": "secret"}]}"#);
        assert!(detail.contains("`lines.1.count` has to be a whole number, not below zero") && !detail.contains("secret"), "{detail}");
        assert_eq!(fault, Some(("lines.1.count".to_owned(), "invalid_type")));
        let (detail, _) = refused(r#"{"name": "a", "lines": [{"count": 1, "of": "nope"}]}"#);
        assert!(detail.contains("`lines.0.of` has to be an id") && !detail.contains("nope"), "{detail}");
        let (detail, _) = refused(r#"{"name": "a", "lines": [], "kind": "docx"}"#);
        assert!(detail.contains("`kind` has to be one of `csv`, `json`, `pdf`") && !detail.contains("docx"), "{detail}");
        assert_eq!(refused(r#"{"lines": []}"#).1, Some(("name".to_owned(), "required")));
        assert!(refused(r#"{"name": "a", "lines": [], "nmae": "b"}"#).0.contains("unknown field `nmae`"));
    }

    #[test]
    fn the_parameter_is_named_and_its_value_is_not() {
        let of = |text: &str| super::query(&format!("Failed to deserialize query string: {text}"));
        let limit = of("limit: invalid digit found in string");
        assert_eq!((limit.errors[0].field.as_ref(), limit.errors[0].code), ("limit", "invalid_type"));
        assert!(limit.detail.contains("`limit` has to be a whole number"), "{}", limit.detail);
        assert!(
            of("includeDeleted: provided string was not `true` or `false`").detail.contains("`includeDeleted` has to be `true` or `false`")
        );
        assert!(of("<script>: x").errors.is_empty());
    }
}
