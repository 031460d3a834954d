// Runs the scripts of a page as a browser would, on elements that know just what the scripts use.
import { strict as assert } from 'node:assert'
import vm from 'node:vm'
import { given, withinASecond } from './lib.mjs'

/** The page at `path`: its elements by id, and its scripts run. */
async function open(path) {
  const html = await (await fetch(given.issuer + path)).text()
  const elements = new Map()
  for (const [tag, id] of html.matchAll(/<[a-z0-9]+[^>]*\sid="([^"]+)"[^>]*>/g)) {
    const listeners = {}
    elements.set(id, {
      hidden: /\shidden/.test(tag), value: '', textContent: '', disabled: false, focus() {},
      addEventListener(event, listener) { listeners[event] = listener },
      fire(event) { listeners[event]({ preventDefault() {}, submitter: { disabled: false } }) },
    })
  }
  const document = { getElementById: (id) => elements.get(id) ?? null }
  const context = vm.createContext({
    document, location: new URL(given.issuer + path), URLSearchParams, fetch: (url, options) => fetch(new URL(url, given.issuer), options),
  })
  for (const [, source] of html.matchAll(/<script src="([^"]+)" defer>/g)) {
    vm.runInContext(await (await fetch(given.issuer + source)).text(), context)
  }
  return (id) => elements.get(id)
}

async function mails() {
  const { items } = await (await fetch(`${given.issuer}/dev/mailbox.json`)).json()
  return items.filter((mail) => mail.to === given.email)
}

const part = await open('/device')
const shown = (id) => withinASecond(id, () => !part(id).hidden)
await shown('sign-in')
part('email').value = given.email
part('password').value = 'Wrong-Giraffe-Sings-41'
part('sign-in').fire('submit')
await shown('trouble')
assert(part('confirm').hidden, 'a wrong password says nothing of the address')

part('password').value = given.password
part('sign-in').fire('submit')
await shown('confirm')
assert.equal(part('unconfirmed').textContent, given.email)
assert(part('sign-in').hidden && part('trouble').hidden)

part('mailed').value = '000000'
part('confirm').fire('submit')
await shown('trouble')
const before = (await mails()).length
part('resend').fire('click')
await shown('resent')
const code = await withinASecond('a new code', async () => {
  const all = await mails()
  return all.length > before && all.sort((a, b) => (a.at < b.at ? 1 : -1))[0].text.match(/\b\d{6}\b/)?.[0]
})
part('mailed').value = code
part('confirm').fire('submit')
await shown('ask')
assert.equal(part('person').textContent, given.email)
assert(part('confirm').hidden && part('sign-in').hidden)
assert.equal(part('mailed').value + part('password').value, '')
