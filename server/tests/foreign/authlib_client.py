"""Authlib: a service, and a web application that signs somebody in."""

import json
import sys
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

given = json.load(sys.stdin)
server = requests.get(f"{given['issuer']}/.well-known/openid-configuration", timeout=5).json()
keys = KeySet.import_key_set(requests.get(server["jwks_uri"], timeout=5).json())
services = given["services"]

# Each way a service proves who it is.
for method, made in [("client_secret_basic", services["basic"]), ("client_secret_post", services["post"])]:
    session = OAuth2Session(made["id"], made["secret"], token_endpoint_auth_method=method)
    token = session.fetch_token(server["token_endpoint"], grant_type="client_credentials", scope="reports:read")
    assert token["scope"] == "reports:read", token
    seen = session.introspect_token(server["introspection_endpoint"], token["access_token"]).json()
    assert seen["active"] and seen["client_id"] == made["id"], seen
    assert session.revoke_token(server["revocation_endpoint"], token["access_token"]).status_code == 200
    seen = session.introspect_token(server["introspection_endpoint"], token["access_token"]).json()
    assert seen == {"active": False}, seen

made = services["rs256"]
session = OAuth2Session(made["id"], made["pem"], token_endpoint_auth_method=PrivateKeyJWT(server["token_endpoint"]))
assert session.fetch_token(server["token_endpoint"], grant_type="client_credentials")["access_token"]

# A web application.
web = given["web"]
verifier, nonce = generate_token(48), generate_token()
session = OAuth2Session(
    web["id"],
    web["secret"],
    redirect_uri=web["redirect"],
    scope="openid email offline_access",
    code_challenge_method="S256",
)
link, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
answer = requests.get(link, allow_redirects=False, timeout=5)
assert answer.status_code == 303, answer.text
request = parse_qs(urlsplit(answer.headers["location"]).query)["request"][0]
headers = {"Authorization": f"Bearer {given['person']}"}
approve = f"{given['issuer']}/api/v1/auth/authorization/approve"
decided = requests.post(approve, json={"request": request}, headers=headers, timeout=5)
assert decided.status_code == 200, decided.text
back = decided.json()["redirectTo"]
token = session.fetch_token(server["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)

read = jwt.decode(token["id_token"], keys, algorithms=["EdDSA", "Ed25519"])
options = {"iss": {"value": given["issuer"]}, "aud": {"value": web["id"]}}
claims = CodeIDToken(read.claims, read.header, options, {"nonce": nonce, "client_id": web["id"], "access_token": token["access_token"]})
claims.validate()
assert claims["sub"] == given["sub"], claims
assert session.get(server["userinfo_endpoint"]).json()["email"] == given["email"]

renewed = session.refresh_token(server["token_endpoint"])
assert renewed["refresh_token"] != token["refresh_token"]
