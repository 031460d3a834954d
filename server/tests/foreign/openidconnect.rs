//! The crate `openidconnect`: discovery, code with PKCE, ID token, userinfo, refresh.

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreResponseType, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse,
};
use serde_json::json;

use super::reachable;
use crate::oauth::{admin, register};
use crate::support::{Store, both_stores};

/// Sends what the crate asks to be sent.
async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().tls_certs_only([]).build()?;
    let (parts, body) = request.into_parts();
    let answer = http.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send().await?;
    let mut response = HttpResponse::new(Vec::new());
    (*response.status_mut(), *response.headers_mut()) = (answer.status(), answer.headers().clone());
    *response.body_mut() = answer.bytes().await?.to_vec();
    Ok(response)
}

async fn signs_somebody_in(store: Store) {
    let instance = reachable(store).start().await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let redirect = "https://app.example/callback";
    let body = json!({"name": "Shop", "grantTypes": ["authorization_code", "refresh_token"], "redirectUris": [redirect],
        "scopes": ["openid", "profile", "email", "offline_access"]});
    let shop = register(&root.api, body).await;

    let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(instance.base().to_owned()).unwrap(), &send).await.unwrap();
    assert!(metadata.response_types_supported().iter().all(|types| types.iter().all(|kind| *kind == CoreResponseType::Code)));
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(shop.id), Some(ClientSecret::new(shop.secret)))
        .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (link, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email", "offline_access"].map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();

    let asked = instance.get(link.as_str().strip_prefix(instance.base()).unwrap()).await.expect(303);
    let (_, request) = asked.header("location").unwrap().split_once("request=").unwrap();
    let decided = ada.api.post("/api/v1/auth/authorization/approve", json!({ "request": request })).await.expect(200);
    let back = url::Url::parse(decided.str("/redirectTo")).unwrap();
    let parameter = |name: &str| back.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!((parameter("state"), parameter("iss")), (state.secret().clone(), instance.base().to_owned()));

    let code = AuthorizationCode::new(parameter("code"));
    let tokens = client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&send).await.unwrap();
    let (id_token, checks) = (tokens.id_token().unwrap(), client.id_token_verifier());
    let claims = id_token.claims(&checks, &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), ada.id());
    let (algorithm, key) = (id_token.signing_alg().unwrap(), id_token.signing_key(&checks).unwrap());
    let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));

    let asked = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())).unwrap();
    let person: CoreUserInfoClaims = asked.request_async(&send).await.unwrap();
    assert_eq!(person.email().map(|email| email.as_str()), Some("ada@example.com"));

    let refresh = tokens.refresh_token().unwrap();
    let next = client.exchange_refresh_token(refresh).unwrap().request_async(&send).await.unwrap();
    assert_ne!(next.refresh_token().unwrap().secret(), refresh.secret());
}

both_stores!(signs_somebody_in);
