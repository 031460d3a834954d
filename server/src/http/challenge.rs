//! What a refusal says in `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1).
//!
//! The scheme that was used is told what was wrong; whoever sent no token at all is told of no error. Each scheme has a line of
//! its own, the plain one first, so that a client that reads one challenge only finds the one it knows.

use std::sync::LazyLock;

use http::{HeaderValue, header};

use crate::error::Problem;

/// What a proof of possession may be signed with, as discovery and challenges list it. `Ed25519` is what RFC 9864 calls `EdDSA` on
/// that curve.
pub const PROOF_ALGORITHMS: &[&str] = &["EdDSA", "Ed25519", "ES256", "PS256", "RS256"];

/// How an access token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever has the token may use it (RFC 6750).
    Bearer,
    /// Only with a proof that the caller has the key it is bound to (RFC 9449).
    Dpop,
}

/// What was wrong, in the words of the RFCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request cannot be read.
    InvalidRequest,
    /// The token is not good, or not for this scheme.
    InvalidToken,
    /// The proof of possession is not good.
    InvalidProof,
    /// The token was not granted what this needs: this scope, if it is one.
    InsufficientScope(Option<&'static str>),
}

impl Fault {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InvalidProof => "invalid_dpop_proof",
            Self::InsufficientScope(_) => "insufficient_scope",
        }
    }
}

static DPOP: LazyLock<String> = LazyLock::new(|| format!("DPoP realm=\"keystead\", algs=\"{}\"", PROOF_ALGORITHMS.join(" ")));
const BEARER: &str = "Bearer realm=\"keystead\"";

/// The refusal of a request that brought no token.
pub fn invited(problem: Problem) -> Problem {
    with_line(with_line(problem, BEARER, None), &DPOP, None)
}

/// The refusal of a request whose token came by `scheme`.
pub fn challenged(problem: Problem, scheme: Scheme, fault: Fault) -> Problem {
    let of = |asked| Some(fault).filter(|_| scheme == asked);
    match problem.code.status() {
        401 => with_line(with_line(problem, BEARER, of(Scheme::Bearer)), &DPOP, of(Scheme::Dpop)),
        _ if scheme == Scheme::Bearer => with_line(problem, BEARER, Some(fault)),
        _ => with_line(problem, &DPOP, Some(fault)),
    }
}

fn with_line(problem: Problem, line: &str, fault: Option<Fault>) -> Problem {
    let mut line = line.to_owned();
    if let Some(fault) = fault {
        line.push_str(", error=\"");
        line.push_str(fault.as_str());
        line.push('"');
    }
    if let Some(Fault::InsufficientScope(Some(scope))) = fault {
        line.push_str(", scope=\"");
        line.push_str(scope);
        line.push('"');
    }
    match HeaderValue::try_from(line) {
        Ok(value) => problem.header(header::WWW_AUTHENTICATE, value),
        // Names of scopes are visible ASCII; one that is not is left unsaid.
        Err(_) => problem,
    }
}
