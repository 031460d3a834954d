//! Answers for addresses and methods that nobody serves.

use crate::error::{Code, Problem};

/// For [`axum::Router::fallback`].
pub async fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}

/// For [`axum::Router::method_not_allowed_fallback`]; the router itself adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed)
}
