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

// A public client's refresh tokens are bound to its key.
const keys = await oauth.generateKeyPair('ES256')
const DPoP = oauth.DPoP(client, keys)
const answer = oauth.validateAuthResponse(server, client, await agreeing(link), state)
const exchanged = await oauth.authorizationCodeGrantRequest(server, client, authentication, answer, given.spa.redirect, verifier, {
  DPoP,
  ...insecure,
})
const tokens = await oauth.processAuthorizationCodeResponse(server, client, exchanged, { expectedNonce: nonce, requireIdToken: true })
await oauth.validateApplicationLevelSignature(server, exchanged, insecure)
assert.equal(tokens.token_type, 'dpop')
const { sub } = oauth.getValidatedIdTokenClaims(tokens)

const seen = await oauth.userInfoRequest(server, client, tokens.access_token, { DPoP, ...insecure })
assert.equal((await oauth.processUserInfoResponse(server, client, sub, seen)).email, given.email)

// As a resource server would: the access token and its proof, from the published keys alone (RFC 9068, RFC 9449).
const resource = `${given.issuer}/oauth2/userinfo`
let request
await oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL(resource), undefined, undefined, {
  DPoP,
  ...insecure,
  [oauth.customFetch]: async (url, options) => {
    request = new Request(url, options)
    return new Response()
  },
})
const claims = await oauth.validateJwtAccessToken(server, request, given.issuer, { requireDPoP: true, ...insecure })
assert.deepEqual([claims.sub, claims.client_id], [sub, client.client_id])

// With its key it goes on, with another it does not.
const refresh = async (proof) => {
  const next = await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, { DPoP: proof, ...insecure })
  return oauth.processRefreshTokenResponse(server, client, next)
}
const thief = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
await assert.rejects(refresh(thief), (error) => error.error === 'invalid_grant' || error.error === 'invalid_dpop_proof')
const next = await refresh(DPoP)
const revoked = await oauth.revocationRequest(server, client, authentication, next.refresh_token, insecure)
await oauth.processRevocationResponse(revoked)
await assert.rejects(refresh(DPoP), { error: 'invalid_grant' })

// Somebody who says no.
link.searchParams.set('prompt', 'consent')
const asked = await fetch(link, { redirect: 'manual' })
const page = new URL(asked.headers.get('location'), given.issuer)
const denied = await api(given.person, 'POST', '/api/v1/auth/authorization/deny', { request: page.searchParams.get('request') })
assert.throws(() => oauth.validateAuthResponse(server, client, new URL(denied.redirectTo), state), { error: 'access_denied' })
