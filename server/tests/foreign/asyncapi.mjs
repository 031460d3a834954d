// The AsyncAPI Initiative's own parser reads the document that the server serves.
import { strict as assert } from 'node:assert'
import { Parser } from '@asyncapi/parser'
import { given } from './lib.mjs'

const answer = await fetch(`${given.issuer}/api/asyncapi.json`)
assert.equal(answer.status, 200)
const { document, diagnostics } = await new Parser().parse(await answer.text())
// 0 is an error, 1 a warning; what is only recommended (a contact, say) comes below.
const faults = diagnostics.filter(({ severity }) => severity <= 1)
assert.deepEqual(faults, [])
const names = document.allMessages().all().map((message) => message.id())
for (const wanted of ['clientHello', 'clientJoin', 'serverDiff', 'serverError', 'serverState']) {
  assert(names.includes(wanted), `${wanted} is not in ${names}`)
}
