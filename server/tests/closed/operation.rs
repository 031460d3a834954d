//! The operations of the API reference, and who gets in as it says.

use http::Method;
use serde_json::Value;

/// One operation of the document.
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path with its parameters as they are written: `/api/v1/sessions/{id}`.
    pub template: String,
    /// Its description.
    pub described: Value,
}

impl Operation {
    /// The method and the path as written.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// A path that names something that does not exist.
    pub fn path(&self) -> String {
        let parts = self.template.split('/').map(|part| if part.starts_with('{') { "01920000-0000-7000-8000-000000000000" } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Who gets in, as the document says it.
    ///
    /// # Errors
    /// It says so in no way that this house has.
    pub fn guard(&self) -> Result<Guard, String> {
        let asked = self.described["security"].as_array().cloned().unwrap_or_default();
        if asked.is_empty() || !asked.iter().all(|scheme| scheme.get("bearer").or(scheme.get("delegated")).is_some()) {
            return Ok(Guard::Open);
        }
        let scopes = |scheme: &Value, name: &str| -> Option<Vec<String>> { serde_json::from_value(scheme[name].clone()).ok() };
        let first = scopes(&asked[0], "bearer").ok_or_else(|| format!("{} names no bearer first", self.name()))?;
        let guard = match (&first[..], &asked[1..]) {
            ([], []) => Guard::Person,
            ([scope], []) => Guard::Scoped(scope.clone()),
            ([], [also]) => match scopes(also, "delegated").as_deref() {
                Some([scope]) => Guard::Personal(scope.clone()),
                _ => return Err(format!("{} names no delegated scope", self.name())),
            },
            _ => return Err(format!("{} asks for more than one scope", self.name())),
        };
        Ok(guard)
    }

    /// Whether it is only for bearers of an access token.
    pub fn is_closed(&self) -> bool {
        self.guard() != Ok(Guard::Open)
    }
}

/// Who gets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Anybody.
    Open,
    /// A person who is signed in; or whoever the operation tells apart by itself.
    Person,
    /// A person who is signed in, or what acts for one and has this scope.
    Personal(String),
    /// Whoever has this scope.
    Scoped(String),
}

/// Every operation of the generated document.
pub fn operations() -> Vec<Operation> {
    operations_of(&serde_json::to_value(keystead::app::openapi()).expect("the document is JSON"))
}

/// Every operation of a document.
pub fn operations_of(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths").clone();
    let all = paths.into_iter().flat_map(|(template, item)| {
        let item = item.as_object().expect("a path item").clone();
        item.into_iter().filter_map(move |(method, described)| {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
            described.get("responses")?;
            Some(Operation { method, template: template.clone(), described })
        })
    });
    all.collect()
}
