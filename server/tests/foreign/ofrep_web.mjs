// OpenFeature's web SDK with the stock OFREP provider: one request for all flags, unchanged ones answered with 304.
import { strict as assert } from 'node:assert'
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk'
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider'
import { api, given, withinASecond } from './lib.mjs'

const statuses = []
const fetchImplementation = async (...request) => {
  const answer = await fetch(...request)
  statuses.push(answer.status)
  return answer
}
const headers = [['Authorization', `Bearer ${given.person}`]]
const provider = new OFREPWebProvider({ baseUrl: given.other, headers, pollInterval: 50, fetchImplementation, cacheMode: 'disabled' })
await OpenFeature.setContext({ targetingKey: 'user-1', plan: 'pro' })
await OpenFeature.setProviderAndWait(provider)
const flags = OpenFeature.getClient()

assert.equal(flags.getBooleanValue('checkout', false), true)
assert.equal(flags.getStringValue('colour', 'none'), 'green')
assert.equal(flags.getNumberValue('retries', -1), 3)
assert.deepEqual(flags.getObjectValue('layout', {}), { columns: 2, names: ['a', 'b'] })
assert.equal(flags.getBooleanDetails('nothing', true).errorCode, 'FLAG_NOT_FOUND')
await withinASecond('an answer 304', () => statuses.includes(304))

const changed = new Promise((resolve) => OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, resolve))
await api(given.admin, 'PUT', '/api/v1/admin/flags/colour', { ...given.flags.colour, defaultVariant: 'red' })
await withinASecond('the change', () => flags.getStringValue('colour', 'none') === 'crimson')
assert.deepEqual((await changed).flagsChanged, ['colour'])

await OpenFeature.setContext({ targetingKey: 'user-1', plan: 'free' })
assert.equal(flags.getBooleanValue('checkout', true), false)
assert.deepEqual(statuses.filter((status) => status !== 200 && status !== 304), [])
await OpenFeature.close()
