// LiveKit's own verifier, as its server and the SDK have it, reads the tokens; and refuses what was not made with the secret.
import { strict as assert } from 'node:assert'
import { TokenVerifier } from 'livekit-server-sdk'
import { api, given } from './lib.mjs'

const { voiceSession } = await api(given.person, 'POST', '/api/v1/voice/sessions', { title: 'Morning talk', language: 'en-GB' })
const made = await api(given.person, 'POST', `/api/v1/voice/sessions/${voiceSession.id}/token`, {})

const claims = await new TokenVerifier(given.apiKey, given.apiSecret).verify(made.token)
assert.equal(claims.iss, given.apiKey)
assert.equal(claims.sub, given.userId)
assert.deepEqual(claims.video, { room: voiceSession.room, roomJoin: true, canPublish: true, canSubscribe: true })
assert.equal(made.room, voiceSession.room)
assert.equal(new Date(made.expiresAt).getTime(), claims.exp * 1000)

await assert.rejects(new TokenVerifier(given.apiKey, `${given.apiSecret}!`).verify(made.token), /signature/)
await assert.rejects(new TokenVerifier('APIother', given.apiSecret).verify(made.token), /iss/)
const altered = made.token.split('.')
altered[1] = Buffer.from(JSON.stringify({ ...claims, video: { ...claims.video, room: 'another' } })).toString('base64url')
await assert.rejects(new TokenVerifier(given.apiKey, given.apiSecret).verify(altered.join('.')), /signature/)

// The service at the door lets its holder in once, whichever instance it asks.
const redeem = (issuer) =>
  fetch(`${issuer}/api/v1/voice/token/redeem`, {
    method: 'POST',
    headers: { authorization: `Bearer ${given.service}`, 'content-type': 'application/json' },
    body: JSON.stringify({ token: made.token }),
  })
const admitted = await redeem(given.other)
assert.equal(admitted.status, 200)
const { participant, room, voiceSessionId } = await admitted.json()
assert.deepEqual([participant, room, voiceSessionId], [claims.sub, claims.video.room, voiceSession.id])
assert.equal((await redeem(given.issuer)).status, 410)
