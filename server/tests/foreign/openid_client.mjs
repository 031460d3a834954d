// openid-client: services with a secret and with a key, introspection, revocation, devices.
import { strict as assert } from 'node:assert'
import * as client from 'openid-client'
import { agreeing, api, given, impatient } from './lib.mjs'

const issuer = new URL(given.issuer)
const insecure = { execute: [client.allowInsecureRequests] }
const configured = (id, authentication) => client.discovery(issuer, id, {}, authentication, insecure)

// Each way a service proves who it is.
const { services } = given
for (const [id, proof] of [
  [services.basic.id, client.ClientSecretBasic(services.basic.secret)],
  [services.post.id, client.ClientSecretPost(services.post.secret)],
  [services.ed25519.id, client.PrivateKeyJwt(await key(services.ed25519, { name: 'Ed25519' }))],
  [services.es256.id, client.PrivateKeyJwt(await key(services.es256, { name: 'ECDSA', namedCurve: 'P-256' }))],
]) {
  const config = await configured(id, proof)
  const tokens = await client.clientCredentialsGrant(config, { scope: 'reports:read' })
  assert.equal(tokens.scope, 'reports:read')
  const seen = await client.tokenIntrospection(config, tokens.access_token)
  assert.deepEqual([seen.active, seen.client_id, seen.iss], [true, id, given.issuer])
  await client.tokenRevocation(config, tokens.access_token)
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, false)
  await assert.rejects(client.clientCredentialsGrant(config, { scope: 'reports:write' }), { error: 'invalid_scope' })
}
const impostor = await configured(services.basic.id, client.ClientSecretBasic('wrong'))
await assert.rejects(client.clientCredentialsGrant(impostor), { code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', status: 401 })

// A device, which a person lets in.
const television = await configured(given.television, client.None())
const asked = await client.initiateDeviceAuthorization(television, { scope: 'shows:watch' })
await impatient(async () => {
  await api(given.person, 'POST', '/api/v1/auth/device/approve', { userCode: asked.user_code })
  const tokens = await client.pollDeviceAuthorizationGrant(television, asked)
  assert.equal(tokens.scope, 'shows:watch')
  const next = await client.refreshTokenGrant(television, tokens.refresh_token)
  assert.notEqual(next.refresh_token, tokens.refresh_token)
  await client.tokenRevocation(television, next.refresh_token)
  await assert.rejects(client.refreshTokenGrant(television, next.refresh_token), { error: 'invalid_grant' })

  const refused = await client.initiateDeviceAuthorization(television, {})
  await api(given.person, 'POST', '/api/v1/auth/device/deny', { userCode: refused.user_code })
  await assert.rejects(client.pollDeviceAuthorizationGrant(television, refused), { error: 'access_denied' })
})

function key({ jwk }, algorithm) {
  return crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
}

// A web application signs somebody in: pushed authorization request, code with PKCE, nonce, issuer in the answer.
const web = await configured(given.web.id, client.ClientSecretBasic(given.web.secret))
assert(web.serverMetadata().supportsPKCE())
const verifier = client.randomPKCECodeVerifier()
const [state, nonce] = [client.randomState(), client.randomNonce()]
const parameters = {
  redirect_uri: given.web.redirect,
  scope: 'openid profile email offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
}
for (const link of [client.buildAuthorizationUrl(web, parameters), await client.buildAuthorizationUrlWithPAR(web, parameters)]) {
  const back = await agreeing(link)
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
  const tokens = await client.authorizationCodeGrant(web, back, { ...checks, maxAge: 3600 })
  const claims = tokens.claims()
  assert.deepEqual([claims.sub, claims.aud, claims.nonce], [given.sub, given.web.id, nonce])
  assert(claims.sid && claims.auth_time && claims.amr.includes('pwd'))
  const person = await client.fetchUserInfo(web, tokens.access_token, claims.sub)
  assert.deepEqual([person.email, person.email_verified, person.name], [given.email, true, 'Ada Lovelace'])
  const next = await client.refreshTokenGrant(web, tokens.refresh_token)
  assert.equal(next.claims().sid, claims.sid)

  // A code is good once, and its second use takes back what the first one gave.
  await assert.rejects(client.authorizationCodeGrant(web, back, checks), { error: 'invalid_grant' })
  await assert.rejects(client.refreshTokenGrant(web, next.refresh_token), { error: 'invalid_grant' })
}

// An answer of another issuer is refused by the library, because ours says who answers (RFC 9207).
const mixed = await agreeing(client.buildAuthorizationUrl(web, parameters))
mixed.searchParams.set('iss', 'https://attacker.example')
await assert.rejects(client.authorizationCodeGrant(web, mixed, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }))

// The same with tokens that only the holder of a key can use.
const dpop = client.getDPoPHandle(web, await client.randomDPoPKeyPair('ES256'))
const bound = await agreeing(client.buildAuthorizationUrl(web, { ...parameters, dpop_jkt: await dpop.calculateThumbprint() }))
const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }
const tokens = await client.authorizationCodeGrant(web, bound, checks, undefined, { DPoP: dpop })
assert.equal(tokens.token_type.toLowerCase(), 'dpop')
assert.equal((await client.fetchUserInfo(web, tokens.access_token, given.sub, { DPoP: dpop })).sub, given.sub)
await assert.rejects(client.fetchUserInfo(web, tokens.access_token, given.sub), { status: 401 })
const renewed = await client.refreshTokenGrant(web, tokens.refresh_token, undefined, { DPoP: dpop })
assert.equal(renewed.token_type.toLowerCase(), 'dpop')

// Signed out at the application, signed out here.
const leave = client.buildEndSessionUrl(web, { id_token_hint: tokens.id_token, post_logout_redirect_uri: given.web.left, state })
const left = await fetch(leave, { redirect: 'manual' })
assert.equal(left.headers.get('location'), `${given.web.left}?state=${state}`)
await assert.rejects(client.refreshTokenGrant(web, renewed.refresh_token, undefined, { DPoP: dpop }), { error: 'invalid_grant' })
