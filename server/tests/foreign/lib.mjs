// What the scripts here share: what the test wrote on standard input, and the person in front of a browser.
import { strict as assert } from 'node:assert'
import { text } from 'node:stream/consumers'

/** What the test tells: `issuer`, clients, tokens. */
export const given = JSON.parse(await text(process.stdin))

/** Calls the API of Keystead as whoever `token` speaks for. */
export async function api(token, method, path, body) {
  const headers = { authorization: `Bearer ${token}` }
  if (body) headers['content-type'] = 'application/json'
  const answer = await fetch(given.issuer + path, { method, headers, body: body && JSON.stringify(body) })
  const content = await answer.text()
  assert(answer.ok, `${method} ${path}: ${answer.status} ${content}`)
  return content && JSON.parse(content)
}

/** Looks until `look` gives something, a second at most: that is how soon a change must be seen everywhere. */
export async function withinASecond(what, look) {
  const deadline = Date.now() + 1000
  for (;;) {
    const found = await look()
    if (found) return found
    assert(Date.now() < deadline, `waited a second in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Runs `work` with timers that fire at once: what a library waits for has happened already. */
export async function impatient(work) {
  const patient = globalThis.setTimeout
  globalThis.setTimeout = (callback, _delay, ...rest) => patient(callback, 1, ...rest)
  try {
    return await work()
  } finally {
    globalThis.setTimeout = patient
  }
}

/** The person in front of a browser: follows the application's link, agrees, and is sent back; the address of that. */
export async function agreeing(url) {
  const answer = await fetch(url, { redirect: 'manual' })
  assert.equal(answer.status, 303, await answer.text())
  const page = new URL(answer.headers.get('location'), given.issuer)
  const request = page.searchParams.get('request')
  const decided = await api(given.person, 'POST', '/api/v1/auth/authorization/approve', { request })
  return new URL(decided.redirectTo)
}
