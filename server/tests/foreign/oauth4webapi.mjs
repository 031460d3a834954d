// oauth4webapi: a public single-page application, with the library's own strict reading of every answer.
import { strict as assert } from 'node:assert'
import * as oauth from 'oauth4webapi'
import { agreeing, api, given } from './lib.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(given.issuer)
for (const algorithm of ['oidc', 'oauth2']) {
  const found = await oauth.discoveryRequest(issuer, { algorithm, ...insecure })
  await oauth.processDiscoveryResponse(issuer, found)
}
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
const client = { client_id: given.spa.id, require_auth_time: true }
const authentication = oauth.None()

const verifier = oauth.generateRandomCodeVerifier()
const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
const link = new URL(server.authorization_endpoint)
for (const [name, value] of Object.entries({
  client_id: client.client_id,
  response_type: 'code',
  redirect_uri: given.spa.redirect,
  scope: 'openid email offline_access',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  resource: given.issuer,
  state,
  nonce,
})) link.searchParams.set(name, value)

const answer = oauth.validateAuthResponse(server, client, await agreeing(link), state)
const exchanged = await oauth.authorizationCodeGrantRequest(server, client, authentication, answer, given.spa.redirect, verifier, insecure)
const tokens = await oauth.processAuthorizationCodeResponse(server, client, exchanged, { expectedNonce: nonce, requireIdToken: true })
await oauth.validateApplicationLevelSignature(server, exchanged, insecure)
const { sub } = oauth.getValidatedIdTokenClaims(tokens)

const seen = await oauth.userInfoRequest(server, client, tokens.access_token, insecure)
assert.equal((await oauth.processUserInfoResponse(server, client, sub, seen)).email, given.email)

// As a resource server would: the access token, from the published keys alone (RFC 9068).
const request = new Request(`${given.issuer}/oauth2/userinfo`, { headers: { authorization: `Bearer ${tokens.access_token}` } })
const claims = await oauth.validateJwtAccessToken(server, request, given.issuer, insecure)
assert.deepEqual([claims.sub, claims.client_id], [sub, client.client_id])

const refresh = async (token) => {
  const next = await oauth.refreshTokenGrantRequest(server, client, authentication, token, insecure)
  return oauth.processRefreshTokenResponse(server, client, next)
}
const next = await refresh(tokens.refresh_token)
const revoked = await oauth.revocationRequest(server, client, authentication, next.refresh_token, insecure)
await oauth.processRevocationResponse(revoked)
await assert.rejects(refresh(next.refresh_token), { error: 'invalid_grant' })

// Somebody who says no.
link.searchParams.set('prompt', 'consent')
const asked = await fetch(link, { redirect: 'manual' })
const page = new URL(asked.headers.get('location'), given.issuer)
const denied = await api(given.person, 'POST', '/api/v1/auth/authorization/deny', { request: page.searchParams.get('request') })
assert.throws(() => oauth.validateAuthResponse(server, client, new URL(denied.redirectTo), state), { error: 'access_denied' })

// The same with tokens that are bound to a key (RFC 9449), for each kind of key.
link.searchParams.delete('prompt')
for (const algorithm of ['ES256', 'Ed25519', 'PS256']) {
  assert(server.dpop_signing_alg_values_supported.includes(algorithm))
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(algorithm))
  const bound = { DPoP, ...insecure }
  link.searchParams.set('dpop_jkt', await DPoP.calculateThumbprint())
  const back = oauth.validateAuthResponse(server, client, await agreeing(link), state)
  const first = await oauth.authorizationCodeGrantRequest(server, client, authentication, back, given.spa.redirect, verifier, bound)
  const got = await oauth.processAuthorizationCodeResponse(server, client, first, { expectedNonce: nonce, requireIdToken: true })
  assert.equal(got.token_type, 'dpop')
  const told = await oauth.userInfoRequest(server, client, got.access_token, bound)
  assert.equal((await oauth.processUserInfoResponse(server, client, sub, told)).email, given.email)
  const stolen = await oauth.userInfoRequest(server, client, got.access_token, insecure)
  await assert.rejects(oauth.processUserInfoResponse(server, client, sub, stolen), { status: 401 })
  const renewed = await oauth.refreshTokenGrantRequest(server, client, authentication, got.refresh_token, bound)
  const last = await oauth.processRefreshTokenResponse(server, client, renewed)
  await assert.rejects(refresh(last.refresh_token), { error: 'invalid_grant' })
}
