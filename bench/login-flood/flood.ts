import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { spa } from '../../test/support/fixtures.ts'
import { authorizeUrl } from '../../test/support/protocol.ts'
import { createUserAgent } from '../../test/support/user-agent.ts'

/**
 * Failed sign-ins at a steady rate, whether or not earlier ones have been answered, each from a different network
 * according to a trusted proxy. `flood.ts <issuer> <per second> <seconds>` prints status → count.
 */
const [issuer = '', rate = '300', seconds = '5'] = process.argv.slice(2)
const people = 1000
const forms = 20

async function open() {
  const agent = createUserAgent()
  const page = await agent.follow(await agent.get(authorizeUrl({ issuer } as never, spa)))
  const form = page.root.querySelector('#login-form')
  const action = new URL(form?.getAttribute('action') ?? '', page.url)
  const csrf = form?.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
  const cookie = (await agent.cookies(action)).map((one) => one.cookieString()).join('; ')
  return { action, csrf, cookie }
}

const opened = await Promise.all(Array.from({ length: forms }, open))
const connections = new Agent({ keepAlive: true, maxSockets: 512 })
const statuses: Record<string, number> = {}
const latencies: number[] = []

function guess(i: number): Promise<void> {
  const { action, csrf, cookie } = opened[i % forms] as (typeof opened)[number]
  const body = new URLSearchParams({
    csrf,
    username: `person${i % people}@example.com`,
    password: 'a guess that is wrong',
  }).toString()
  const began = performance.now()
  return new Promise((resolve) => {
    const done = (status: string) => {
      statuses[status] = (statuses[status] ?? 0) + 1
      latencies.push(performance.now() - began)
      resolve()
    }
    const sent = request(action, {
      method: 'POST',
      agent: connections,
      headers: {
        cookie,
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': Buffer.byteLength(body),
        'x-forwarded-for': `10.${(i >> 8) & 255}.${i & 255}.1`,
      },
    })
    sent.once('error', () => done('error'))
    sent.once('response', (response) => {
      response.resume().once('end', () => done(String(response.statusCode)))
    })
    sent.end(body)
  })
}

const all: Promise<void>[] = []
const began = performance.now()
while (performance.now() - began < Number(seconds) * 1000) {
  const due = Math.floor(((performance.now() - began) / 1000) * Number(rate))
  while (all.length < due) all.push(guess(all.length))
  await pause(5)
}
await Promise.all(all)
connections.destroy()
console.log(JSON.stringify({ sent: all.length, statuses, latencies }))
