// A browser's own EventSource: it hears a transcript by a ticket, loses its connection, goes on at another instance without being told
// how, and stops when there is nothing more to hear.
import { strict as assert } from 'node:assert'
import net from 'node:net'
import { chromium } from 'playwright-core'
import { api, given } from './lib.mjs'

/** What stands between the browser and the instances, as a balancer does: it can lose its connections and turn to another one. */
class Balancer {
  #sockets = new Set()
  #target

  async listen(target) {
    this.#target = new URL(target)
    this.server = net.createServer((client) => {
      const server = net.connect(Number(this.#target.port), this.#target.hostname)
      for (const socket of [client, server]) {
        this.#sockets.add(socket)
        socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {})
      }
      client.pipe(server).on('close', () => client.destroy())
      server.pipe(client).on('close', () => server.destroy())
    })
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.base = `http://127.0.0.1:${this.server.address().port}`
  }

  turnTo(target) {
    this.#target = new URL(target)
    for (const socket of this.#sockets) socket.destroy()
  }
}

const transcript = `/api/v1/voice/sessions/${given.session}/transcript`
const say = (...seqs) =>
  api(given.person, 'POST', transcript, {
    segments: seqs.map((seq) => ({ seq, speaker: 'Ada', text: `${seq}`, startMs: 0, endMs: 1, final: true })),
  })
const ticket = async (of = given.person) => (await api(of, 'POST', `${transcript}/ticket`)).ticket

const balancer = new Balancer()
await balancer.listen(given.issuer)
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'.split(' '),
})
try {
  // Our own pages connect to nowhere; an application's do.
  const context = await browser.newContext({ bypassCSP: true })
  const page = await context.newPage()
  await page.goto(`${balancer.base}/`)

  /** Opens a stream in the page under a name. */
  const open = (name, address) =>
    page.evaluate(
      ([name, address]) => {
        const source = new EventSource(address)
        const heard = (window[name] = { source, seqs: [], events: [] })
        source.addEventListener('segment', (event) => heard.seqs.push(JSON.parse(event.data).seq))
        for (const type of ['behind', 'reconnect', 'revoked', 'end']) source.addEventListener(type, () => heard.events.push(type))
      },
      [name, address],
    )
  const waitFor = (what, look, argument) => page.waitForFunction(look, argument, { timeout: 15000, polling: 50 }).catch((error) => assert.fail(`${what}: ${error}`))
  const heardAll = (name, seqs) => waitFor(`${name} to hear ${seqs}`, ([name, seqs]) => window[name].seqs.join() === seqs, [name, seqs])
  const stopped = (name) => waitFor(`${name} to stop`, (name) => window[name].source.readyState === EventSource.CLOSED, name)

  await say(1, 2)
  const once = await ticket()
  await open('first', `${transcript}/stream?ticket=${once}`)
  await heardAll('first', '1,2')
  await say(3)
  await heardAll('first', '1,2,3')

  // The connection is lost, and the instance with it; what was said meanwhile is heard once.
  balancer.turnTo(given.other)
  await say(4)
  await heardAll('first', '1,2,3,4')
  balancer.turnTo(given.issuer)
  await heardAll('first', '1,2,3,4')
  await say(5, 6)
  await heardAll('first', '1,2,3,4,5,6')

  // The address alone, from a log or a history, opens nothing any more.
  await open('thief', `${transcript}/stream?ticket=${once}`)
  await stopped('thief')

  // Whoever signs out is let in no more, and the browser stops asking.
  await open('guest', `${transcript}/stream?ticket=${await ticket(given.guest)}&after=4`)
  await heardAll('guest', '5,6')
  await api(given.guest, 'POST', '/api/v1/auth/logout')
  await stopped('guest')
  assert.deepEqual(await page.evaluate(() => window.guest.events), ['revoked'])

  // After the end it asks once more and is told to stop.
  await api(given.person, 'POST', `/api/v1/voice/sessions/${given.session}/end`)
  await stopped('first')
  assert.deepEqual(await page.evaluate(() => [window.first.seqs, window.first.events]), [[1, 2, 3, 4, 5, 6], ['end']])
} finally {
  await browser.close()
  balancer.server.close()
  balancer.turnTo(given.issuer)
}
