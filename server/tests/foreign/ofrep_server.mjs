// OpenFeature's server SDK with the stock OFREP provider: every type, targeting, errors, and a change that is followed.
import { strict as assert } from 'node:assert'
import { OpenFeature } from '@openfeature/server-sdk'
import { OFREPProvider } from '@openfeature/ofrep-provider'
import { api, given, withinASecond } from './lib.mjs'

const headers = { Authorization: `Bearer ${given.service}` }
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: given.other, headers }))
const flags = OpenFeature.getClient()
const context = { targetingKey: 'user-1', plan: 'pro' }

assert.equal(await flags.getBooleanValue('checkout', false, context), true)
assert.equal(await flags.getBooleanValue('checkout', true, { targetingKey: 'user-1', plan: 'free' }), false)
assert.equal(await flags.getStringValue('colour', 'none', context), 'green')
assert.equal(await flags.getNumberValue('retries', -1, context), 3)
assert.deepEqual(await flags.getObjectValue('layout', {}, context), { columns: 2, names: ['a', 'b'] })

const details = await flags.getStringDetails('colour', 'none', context)
assert.deepEqual([details.reason, details.variant], ['STATIC', 'green'])
const none = await flags.getBooleanDetails('nothing', true, context)
assert.deepEqual([none.value, none.errorCode], [true, 'FLAG_NOT_FOUND'])
const other = await flags.getBooleanDetails('colour', true, context)
assert.deepEqual([other.value, other.errorCode], [true, 'TYPE_MISMATCH'])

// The rollout puts the same users on the same side each time, and about as many as it says.
let on = 0
for (let user = 0; user < 100; user++) {
  const seen = await flags.getBooleanValue('half', false, { targetingKey: `user-${user}` })
  on += seen
  if (user < 10) assert.equal(await flags.getBooleanValue('half', false, { targetingKey: `user-${user}` }), seen)
}
assert(on > 25 && on < 75, `${on} of 100 are in the half`)

// Changed on one instance, read from another.
await api(given.admin, 'PUT', '/api/v1/admin/flags/colour', { ...given.flags.colour, defaultVariant: 'red' })
await withinASecond('the change', async () => (await flags.getStringValue('colour', 'none', context)) === 'crimson')
