//! The API reference, generated from the code.

use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

const FLOWS: &str = "\
Accounts, sessions and keys of an application.

**Signing in.** Sign up, confirm the address with the mailed six-digit code, and you are signed in. From then on \
`login` does it. Every sign-in answers with a short-lived access token for `Authorization: Bearer` and a refresh \
token: as HttpOnly cookie (the default), or in the body with `\"transport\": \"body\"`.

**Staying signed in.** Before the access token ends, `POST /api/v1/auth/refresh`. With the cookie send `X-CSRF-Token` \
(from the sign-in answer or `GET /api/v1/auth/session`). The same refresh token presented twice within ten seconds, \
by two tabs say, gets the same successor.

**Checking tokens.** The access token is a JWT (RFC 9068, EdDSA): verify it with the keys at \
[`/.well-known/jwks.json`](/.well-known/jwks.json), without asking this server.

**Errors** are RFC 9457 problems with a stable `code`. **Lists** take `limit` and `cursor` and answer `items` and \
`nextCursor`. Every answer carries `X-Request-Id`; tell it to support.";

/// What surrounds the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Keystead", description = "", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    modifiers(&Surroundings),
    paths(crate::http::health::live, crate::http::health::ready, super::public_health::status),
    tags(
        (name = "signing in", description = "Sign up, confirm the address, sign in, recover a password"),
        (name = "sessions", description = "Refresh, verify, list and end sessions"),
        (name = "keys", description = "The public keys that verify access tokens"),
        (name = "oauth", description = "Tokens for clients, as the RFCs write it: forms in, `snake_case` out"),
        (name = "roles", description = "Which scopes the roles of people grant"),
        (name = "clients", description = "OAuth clients of the installation"),
        (name = "operations", description = "Health"),
        (name = "administration", description = "Accounts and the record, for those who run the installation"),
        (name = "quotas", description = "How much everybody may use in a period: see, consume, reserve and commit"),
        (name = "transactions", description = "What people earn and spend: written down, found again, summed up"),
        (name = "flags", description = "Feature flags: configure them, evaluate them, also by OpenFeature"),
        (name = "exports", description = "Files of one's data: ordered and fetched, or streamed at once"),
        (name = "realtime", description = "Who is here, over WebSocket"),
        (name = "voice", description = "Voice sessions, and tokens for the rooms of a media server"),
        (name = "account", description = "What people see and change of themselves"),
    )
)]
pub(super) struct Reference;

struct Surroundings;

impl Modify for Surroundings {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.info.description = Some(FLOWS.to_owned());
        document.info.version = env!("CARGO_PKG_VERSION").to_owned();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "The access token of a sign-in answer (RFC 9068). Where a scope is named, every token that was granted it: also \
                of a service, of an application, and a personal access token. One that is bound to a key (RFC 9449) goes \
                by the scheme `DPoP` instead, with a proof in the header of that name.",
            ))
            .build();
        // The tags' names are part of the contract; the reference shows them as headings.
        for tag in document.tags.iter_mut().flatten() {
            let mut letters = tag.name.chars();
            let heading: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
            tag.extensions = Some(ExtensionsBuilder::new().add("x-displayName", heading).build());
        }
        let client = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("The id and the secret of an OAuth client (RFC 6749 section 2.3.1); or either in the body."))
            .build();
        let components = document.components.get_or_insert_default();
        let delegated = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token that acts for a person with fewer rights than theirs, and has the scope: a personal access token \
                (`ksp_…`), or that of an application they let in.",
            ))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("delegated", SecurityScheme::Http(delegated));
        components.add_security_scheme("client", SecurityScheme::Http(client));
    }
}

/// The OpenAPI document of every route.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described(super::slices().split_for_parts().1)
}

/// Gives every response the description that the specification asks for; a route says more where it has more to say.
pub(super) fn described(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description = meaning(status);
                }
            }
        }
    }
    document
}

fn meaning(status: &str) -> String {
    let named = status.parse().ok().and_then(|status| http::StatusCode::from_u16(status).ok()?.canonical_reason());
    named.unwrap_or("What went wrong, as a problem (RFC 9457)").to_owned()
}

/// As it is served and committed.
pub(super) fn to_json(document: &utoipa::openapi::OpenApi) -> String {
    // A document of strings and numbers always serialises.
    document.to_pretty_json().unwrap_or_default()
}
