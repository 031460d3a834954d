//! The contract: the OpenAPI document that the code generates, held against every answer that a test gets.
//!
//! An answer breaks the contract when its operation, its status or its content type is not documented, when its
//! body does not fit the documented schema (a member nobody documented included), or when it lacks a request id.
//! Paths outside `/api` may be undocumented: pages, files, what RFCs describe.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use http::Method;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::client::Answer;

/// Under `/api`, and rightly not part of the document.
const UNDOCUMENTED: &[&str] = &["/api/docs", "/api/openapi.json", "/api/asyncapi.json"];

/// The document and the validators made from it so far.
pub struct Contract {
    document: Value,
    components: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    /// The contract of the server under test.
    pub fn get() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(|| Self::new(serde_json::to_value(keystead::app::openapi()).expect("the document is JSON")))
    }

    /// The contract that a document states.
    pub fn new(document: Value) -> Self {
        let mut components = document.get("components").cloned().unwrap_or_default();
        let merged = merged_components(&document);
        if let Some(schemas) = components.get_mut("schemas").and_then(Value::as_object_mut) {
            schemas.iter_mut().filter(|(name, _)| !merged.contains(*name)).for_each(|(_, schema)| close(schema));
        }
        Self { document, components, validators: Mutex::default() }
    }

    /// The document itself.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Says how an answer breaks the contract.
    pub fn check(&self, method: &Method, path_and_query: &str, answer: &Answer) -> Result<(), String> {
        let path = path_and_query.split('?').next().unwrap_or_default();
        let request_id = answer.header("x-request-id").ok_or("no X-Request-Id")?;
        if content_type(answer) == "application/problem+json" {
            self.check_problem(answer, request_id)?;
        }
        let Some((template, item)) = self.path_item(path) else { return outside(path, answer) };
        // A HEAD request is answered as a GET without its body; an OPTIONS request is CORS's.
        if method == Method::HEAD || method == Method::OPTIONS {
            return Ok(());
        }
        let Some(operation) = item.get(method.as_str().to_ascii_lowercase()) else {
            return if answer.status == 405 { Ok(()) } else { Err(format!("{method} {template} is not documented")) };
        };
        let name = format!("{method} {template} {}", answer.status);
        let documented = self.resolve(response_for(operation, answer.status).ok_or(format!("{name} is not documented"))?);
        self.check_body(&name, documented, answer)
    }

    /// The documented path that a real one is an instance of; the one with the fewest parameters wins.
    fn path_item(&self, path: &str) -> Option<(&str, &Value)> {
        let paths = self.document["paths"].as_object()?;
        let fitting = paths.iter().filter(|(template, _)| fits(template, path));
        fitting.min_by_key(|(template, _)| template.matches('{').count()).map(|(template, item)| (template.as_str(), item))
    }

    fn check_body(&self, name: &str, documented: &Value, answer: &Answer) -> Result<(), String> {
        let Some(content) = documented.get("content").and_then(Value::as_object).filter(|content| !content.is_empty()) else {
            return if answer.text.is_empty() { Ok(()) } else { Err(format!("{name} is documented without a body")) };
        };
        let sent = content_type(answer);
        let Some((media, description)) = content.iter().find(|(media, _)| accepts(media, &sent)) else {
            return Err(format!("{name} is documented as {:?}, not as {sent:?}", content.keys().collect::<Vec<_>>()));
        };
        match description.get("schema") {
            Some(schema) if is_json(media) => self.check_schema(&format!("{name} {media}"), schema, &answer.body),
            _ => Ok(()),
        }
    }

    /// RFC 9457, as this house fills it in: the id in the body is that of the header.
    fn check_problem(&self, answer: &Answer, request_id: &str) -> Result<(), String> {
        if answer.body["requestId"] != request_id || answer.body["status"] != answer.status {
            return Err("the problem names another request id or status than the headers".into());
        }
        if answer.body["error"] != answer.body["detail"] {
            return Err("`error` does not repeat `detail`".into());
        }
        self.check_schema("every problem", &json!({"$ref": "#/components/schemas/Problem"}), &answer.body)
    }

    fn check_schema(&self, name: &str, schema: &Value, body: &Value) -> Result<(), String> {
        let validator = self.validator(name, schema)?;
        let faults: Vec<_> = validator.iter_errors(body).map(|fault| format!("  {}: {fault}", fault.instance_path())).collect();
        if faults.is_empty() { Ok(()) } else { Err(format!("{name}:\n{}", faults.join("\n"))) }
    }

    fn validator(&self, name: &str, schema: &Value) -> Result<Arc<Validator>, String> {
        let mut made = self.validators.lock().expect("no test panics while it holds this");
        if let Some(validator) = made.get(name) {
            return Ok(Arc::clone(validator));
        }
        let mut closed = schema.clone();
        close(&mut closed);
        // The components stand beside the schema, so that `#/components/schemas/…` leads somewhere.
        let root = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [closed],
            "components": self.components,
        });
        let built = jsonschema::options()
            .should_validate_formats(true)
            .build(&root)
            .map_err(|error| format!("{name}: the schema itself: {error}"))?;
        Ok(Arc::clone(made.entry(name.to_owned()).or_insert(Arc::new(built))))
    }

    /// Follows a `$ref` of the document.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let target = value.get("$ref").and_then(Value::as_str).and_then(|name| self.document.pointer(name.trim_start_matches('#')));
        target.unwrap_or(value)
    }
}

/// Nothing is documented at this path: fine outside `/api`, and for addresses that do not exist.
fn outside(path: &str, answer: &Answer) -> Result<(), String> {
    if path.starts_with("/api/") && answer.status != 404 && !UNDOCUMENTED.iter().any(|known| path.starts_with(known)) {
        return Err(format!("{path} is not documented"));
    }
    Ok(())
}

/// Whether `/a/{id}` is the template of `/a/7`.
fn fits(template: &str, path: &str) -> bool {
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(value)) if part == value || (part.starts_with('{') && !value.is_empty()) => {}
            _ => return false,
        }
    }
}

/// The documented response: by its status, by its class (`4XX`), or the default.
fn response_for(operation: &Value, status: u16) -> Option<&Value> {
    let responses = operation.get("responses")?;
    [status.to_string(), format!("{}XX", status / 100), "default".into()].iter().find_map(|key| responses.get(key))
}

fn content_type(answer: &Answer) -> String {
    let header = answer.header("content-type").unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn accepts(media: &str, sent: &str) -> bool {
    media == sent || media == "*/*" || media.strip_suffix("/*").is_some_and(|kind| sent.starts_with(kind))
}

fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json")
}

/// Forbids members that no schema names. Parts of an `allOf` describe one object together and stay open.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => close_object(members),
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn close_object(members: &mut Map<String, Value>) {
    if members.contains_key("properties") && !members.contains_key("allOf") {
        members.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for (keyword, inner) in members.iter_mut() {
        match (keyword.as_str(), inner) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(close),
            ("items" | "additionalProperties" | "oneOf" | "anyOf", inner) => close(inner),
            _ => {}
        }
    }
}

/// Components that an `allOf` merges with something else, anywhere in the document.
fn merged_components(document: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                let parts = members.get("allOf").and_then(Value::as_array).into_iter().flatten();
                let names = parts.filter_map(|part| part.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/"));
                found.extend(names.map(str::to_owned));
                members.values().for_each(|inner| walk(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| walk(inner, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(document, &mut found);
    found
}

#[test]
fn the_contract_refuses_what_is_not_documented() {
    let user = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}});
    let contract = Contract::new(json!({
        "paths": {"/api/users/{id}": {"get": {"responses": {
            "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}},
            "204": {"description": "nothing"},
        }}}},
        "components": {"schemas": {"User": user}},
    }));
    let verdict = |method: Method, path: &str, status: u16, body: Value| {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-request-id", http::HeaderValue::from_static("0192aaaa"));
        headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        let text = if body.is_null() { String::new() } else { body.to_string() };
        contract.check(&method, path, &Answer { status, headers, body, text, asked: String::new() })
    };

    assert_eq!(verdict(Method::GET, "/api/users/7?x=1", 200, json!({"id": "7"})), Ok(()));
    assert_eq!(verdict(Method::GET, "/api/users/7", 204, Value::Null), Ok(()));
    assert_eq!(verdict(Method::GET, "/api/nowhere", 404, json!({})), Ok(()));
    assert_eq!(verdict(Method::GET, "/dev/mailbox.json", 200, json!({})), Ok(()));

    let refused = [
        ("a wrong type", verdict(Method::GET, "/api/users/7", 200, json!({"id": 7}))),
        ("a missing member", verdict(Method::GET, "/api/users/7", 200, json!({}))),
        ("an undocumented member", verdict(Method::GET, "/api/users/7", 200, json!({"id": "7", "password": "x"}))),
        ("an undocumented status", verdict(Method::GET, "/api/users/7", 201, json!({"id": "7"}))),
        ("an undocumented method", verdict(Method::PUT, "/api/users/7", 200, json!({"id": "7"}))),
        ("an undocumented path", verdict(Method::GET, "/api/users", 200, json!({}))),
        ("a body where there is none", verdict(Method::GET, "/api/users/7", 204, json!({}))),
    ];
    for (what, verdict) in refused {
        assert!(verdict.is_err(), "the contract let {what} pass");
    }
}
