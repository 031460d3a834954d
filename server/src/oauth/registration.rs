//! What may be registered as a client, as a pure rule.

use std::sync::Arc;

use serde_json::Value;

use super::client::{AuthMethod, Grant, RelyingParty};
use super::client_keys::{ClientKey, read_set};
use super::redirect;
use super::resource;
use super::scopes::is_about_a_person;
use crate::access::is_scope;
use crate::accounts::check_name;
use crate::error::FieldError;

const ADDRESSES_MAX: usize = 20;
const SCOPES_MAX: usize = 100;

/// What is asked for: every member of a registration that can be chosen.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What people are shown.
    pub name: String,
    /// How it gets tokens.
    pub grants: Vec<Grant>,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// What its tokens may carry at most.
    pub scopes: Vec<String>,
    /// How it proves who it is.
    pub method: AuthMethod,
    /// Its public keys.
    pub jwks: Option<Value>,
    /// Ours: people are not asked whether they agree.
    pub first_party: bool,
    /// What else.
    pub party: RelyingParty,
}

/// What passed.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What people are shown, trimmed and in NFC.
    pub name: String,
    /// How it gets tokens.
    pub grants: Vec<Grant>,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// What its tokens may carry at most.
    pub scopes: Vec<String>,
    /// How it proves who it is.
    pub method: AuthMethod,
    /// Its public keys as text.
    pub jwks: Option<String>,
    /// The same, ready to verify with.
    pub keys: Arc<[ClientKey]>,
    /// Ours.
    pub first_party: bool,
    /// What else.
    pub party: RelyingParty,
}

/// Checks everything at once, so that every fault is told at once.
///
/// # Errors
/// Each refused value with a sentence.
pub fn check(wanted: Wanted) -> Result<Registration, Vec<FieldError>> {
    let mut faults = Vec::new();
    let name = check_name(&wanted.name).unwrap_or_else(|fault| {
        let message = if fault.code == "required" { "Name the client.".into() } else { fault.message };
        faults.push(FieldError { message, ..fault });
        String::new()
    });
    check_grants(&wanted, &mut faults);
    check_addresses(&wanted, &mut faults);
    check_party(&wanted, &mut faults);
    check_scopes(&wanted, &mut faults);
    let keys = check_keys(&wanted, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let Wanted { grants, redirect_uris, scopes, method, jwks, first_party, party, .. } = wanted;
    Ok(Registration { name, grants, redirect_uris, scopes, method, jwks: jwks.map(|set| set.to_string()), keys, first_party, party })
}

fn check_grants(wanted: &Wanted, faults: &mut Vec<FieldError>) {
    let grants = &wanted.grants;
    let has = |grant| grants.contains(&grant);
    let mut refuse = |code, message: &'static str| faults.push(fault("grantTypes", code, message));
    if grants.is_empty() {
        refuse("required", "Name at least one way to get tokens.");
    }
    if twice(grants) {
        refuse("duplicate", "Name each grant type once.");
    }
    if has(Grant::ClientCredentials) && wanted.method == AuthMethod::None {
        refuse("needs_authentication", "Only a client that can prove who it is may have client_credentials.");
    }
    if has(Grant::RefreshToken) && !has(Grant::AuthorizationCode) && !has(Grant::DeviceCode) {
        refuse("nothing_to_refresh", "refresh_token goes with authorization_code or with the device grant.");
    }
}

fn check_addresses(wanted: &Wanted, faults: &mut Vec<FieldError>) {
    let (addresses, by_code) = (&wanted.redirect_uris, wanted.grants.contains(&Grant::AuthorizationCode));
    let mut refuse = |code, message: &'static str| faults.push(fault("redirectUris", code, message));
    if by_code && addresses.is_empty() {
        refuse("required", "authorization_code needs an address to send people back to.");
    }
    if !by_code && !addresses.is_empty() {
        refuse("not_allowed", "Only authorization_code sends people back; leave the addresses out.");
    }
    check_list("redirectUris", addresses, redirect::check, faults);
}

/// At most 20 addresses, each once, each as `rule` wants it.
fn check_list(field: &'static str, addresses: &[String], rule: fn(&str) -> Result<(), &'static str>, faults: &mut Vec<FieldError>) {
    if addresses.len() > ADDRESSES_MAX {
        faults.push(fault(field, "too_many", "Register at most 20 addresses."));
    }
    if twice(addresses) {
        faults.push(fault(field, "duplicate", "Name each address once."));
    }
    for (index, address) in addresses.iter().take(ADDRESSES_MAX).enumerate() {
        if let Err(message) = rule(address) {
            faults.push(FieldError { field: format!("{field}.{index}").into(), code: "invalid", message: message.into() });
        }
    }
}

fn check_party(wanted: &Wanted, faults: &mut Vec<FieldError>) {
    let (party, by_code) = (&wanted.party, wanted.grants.contains(&Grant::AuthorizationCode));
    let by_person = by_code || wanted.grants.contains(&Grant::DeviceCode);
    check_list("resources", &party.resources, resource::check, faults);
    check_list("postLogoutRedirectUris", &party.post_logout_redirect_uris, redirect::check, faults);
    let mut refuse = |field, message| faults.push(fault(field, "not_allowed", message));
    if party.require_pushed && !by_code {
        refuse("requirePushedAuthorizationRequests", "Only authorization_code has authorization requests.");
    }
    if !by_code && !party.post_logout_redirect_uris.is_empty() {
        refuse("postLogoutRedirectUris", "Only authorization_code sends people back; leave the addresses out.");
    }
    if party.backchannel_logout_uri.is_some() && !by_person {
        refuse("backchannelLogoutUri", "Only a client that signs people in is told when they sign out.");
    }
    if let Some(Err(message)) = party.backchannel_logout_uri.as_deref().map(redirect::check_web) {
        faults.push(fault("backchannelLogoutUri", "invalid", message));
    }
}

fn check_scopes(wanted: &Wanted, faults: &mut Vec<FieldError>) {
    let scopes = &wanted.scopes;
    if scopes.len() > SCOPES_MAX {
        faults.push(fault("scopes", "too_many", "Register at most 100 scopes."));
    }
    if twice(scopes) {
        faults.push(fault("scopes", "duplicate", "Name each scope once."));
    }
    let by_person = [Grant::AuthorizationCode, Grant::DeviceCode].iter().any(|grant| wanted.grants.contains(grant));
    if !by_person && scopes.iter().any(|scope| is_about_a_person(scope)) {
        let message = "openid, profile, email and offline_access are about people; only a client that signs people in has them.";
        faults.push(fault("scopes", "not_allowed", message));
    }
    if !scopes.iter().all(|scope| is_scope(scope)) {
        faults.push(fault("scopes", "invalid", "A scope has 1 to 64 visible ASCII characters, no space, no quote, no backslash."));
    }
}

fn check_keys(wanted: &Wanted, faults: &mut Vec<FieldError>) -> Arc<[ClientKey]> {
    let refused = match (&wanted.jwks, wanted.method) {
        (Some(set), AuthMethod::PrivateKeyJwt) => match read_set(set) {
            Ok(keys) => return keys,
            Err(message) => fault("jwks", "invalid", message),
        },
        (None, AuthMethod::PrivateKeyJwt) => fault("jwks", "required", "private_key_jwt needs the client's public keys."),
        (Some(_), _) => fault("jwks", "not_allowed", "Keys go with private_key_jwt only."),
        (None, _) => return Arc::default(),
    };
    faults.push(refused);
    Arc::default()
}

fn twice<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, one)| list[..index].contains(one))
}

fn fault(field: &'static str, code: &'static str, message: &'static str) -> FieldError {
    FieldError { field: field.into(), code, message: message.into() }
}
