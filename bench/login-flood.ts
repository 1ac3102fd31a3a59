import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { defaultTenant } from '../src/tenants/tenant.ts'
import { freshStorage, type TestServer } from '../test/support/boot.ts'
import { startChild } from '../test/support/child.ts'
import { openNode } from '../test/support/cores.ts'
import { alice, furnish, web } from '../test/support/fixtures.ts'
import { exchange } from '../test/support/http-exchange.ts'
import { startNode } from '../test/support/node-process.ts'
import { authorizeUrl, refresh, tokensFor, tokensIn } from '../test/support/protocol.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { createUserAgent, type UserAgent } from '../test/support/user-agent.ts'
import { percentile } from './load/percentile.ts'
import { processorTime } from './processor.ts'
import { argument } from './suite/usage.ts'

/**
 * `npm run bench -- login-flood [per second]`: whether 300 failed sign-ins per second from as many networks affect
 * refresh and the key set, and whether a legitimate user can sign in meanwhile, in a known browser and in a new one
 * that retries when told to.
 */
const rate = argument('per second', 300)
const rounds = 3
/** Seconds of each round; rounds without and with the flood alternate. */
const length = 8
const chains = 4
const mostTries = 15

const env = {
  ...(await (async () => {
    await mochaGlobalSetup()
    return freshStorage(servicesFound() ? 'services' : 'embedded')
  })()),
  RATE_LIMITS: 'on',
  TRUST_PROXY: '127.0.0.0/8,::1/128',
  LOG_LEVEL: 'info',
}
const core = await openNode(env)
await core.firstStart()
await furnish({ core })
await core.accounts.create(defaultTenant, { email: 'person1@example.com' })
await core.close()
const node = await startNode({ env })
const server = { issuer: node.url } as TestServer

interface Figures {
  refresh: number[]
  jwks: number[]
  known: number[]
  stranger: number[]
  tries: number[]
  failed: number
  /** Seconds of processor time of the server. */
  processor: number[]
}
const figures = (): Figures => ({
  refresh: [],
  jwks: [],
  known: [],
  stranger: [],
  tries: [],
  failed: 0,
  processor: [],
})

const tokens = await Promise.all(
  Array.from({ length: chains }, async () =>
    tokensFor(server, web, { scope: 'openid offline_access' }),
  ),
)

/** Retries until the sign-in succeeds. @returns milliseconds from the first attempt; undefined if it gave up */
async function signIn(agent: UserAgent, into: Figures): Promise<number | undefined> {
  return tryToSignIn(agent, into).catch((error: Error) => {
    if (error.name !== 'AbortError') throw error
    into.failed++
    return undefined
  })
}

async function tryToSignIn(agent: UserAgent, into: Figures): Promise<number | undefined> {
  const headers = { 'x-forwarded-for': '192.0.2.1' }
  const start = authorizeUrl(server, web, { prompt: 'login' })
  const open = async () => agent.follow(await agent.get(start, { headers }))
  let page = await open()
  const began = performance.now()
  const fields = { username: alice.email, password: alice.password }
  for (let tries = 1; tries <= mostTries; tries++) {
    if (page.root.querySelector('#login-form') === null) page = await open()
    else page = await agent.submit(page, { form: '#login-form', fields }, { headers })
    if (page.status === 303 && page.location?.pathname.startsWith('/authorize/')) {
      into.tries.push(tries)
      return performance.now() - began
    }
    await pause(300)
  }
  into.failed++
  return undefined
}

/** A request without a response within 15 s counts with that time. */
async function timed(list: number[], work: () => Promise<unknown>): Promise<void> {
  const began = performance.now()
  await work().catch((error: Error) => {
    if (error.name !== 'AbortError') throw error
  })
  list.push(performance.now() - began)
}

const known = createUserAgent()
await signIn(known, figures())

async function measure(into: Figures): Promise<void> {
  const used = processorTime(node.pid)
  const until = performance.now() + length * 1000
  const over = () => performance.now() > until
  await Promise.all([
    ...tokens.map(async (_, i) => {
      while (!over()) {
        await timed(into.refresh, async () => {
          const page = await refresh(server, web, tokens[i] ?? { refresh_token: '' })
          if (page.status === 200) tokens[i] = tokensIn(page)
          else into.failed++
        })
        await pause(100)
      }
    }),
    (async () => {
      const url = new URL('/jwks', server.issuer)
      while (!over()) {
        await timed(into.jwks, () => exchange({ method: 'GET', url, headers: {} }))
        await pause(25)
      }
    })(),
    (async () => {
      while (!over()) {
        const took = await signIn(known, into)
        if (took !== undefined) into.known.push(took)
        await pause(500)
      }
    })(),
    (async () => {
      while (!over()) {
        const took = await signIn(createUserAgent(), into)
        if (took !== undefined) into.stranger.push(took)
        await pause(500)
      }
    })(),
  ])
  into.processor.push(processorTime(node.pid) - used)
}

const [quiet, flooded] = [figures(), figures()]
const statuses: Record<string, number> = {}
let sent = 0
const program = fileURLToPath(new URL('login-flood/flood.ts', import.meta.url))
await measure(figures())
for (let round = 0; round < rounds; round++) {
  await measure(quiet)
  const flood = await startChild(
    process.execPath,
    [program, server.issuer, String(rate), String(length + 2)],
    {},
  )
  await pause(1500)
  await measure(flooded)
  await flood.exit
  const said = JSON.parse(flood.stdout()) as { sent: number; statuses: Record<string, number> }
  sent += said.sent
  for (const [status, count] of Object.entries(said.statuses)) {
    statuses[status] = (statuses[status] ?? 0) + count
  }
}
await node.stop()
await mochaGlobalTeardown()

const line = (name: string, list: number[]) =>
  `  ${name.padEnd(34)} p50 ${percentile(list, 0.5).toFixed(1).padStart(7)} ms   ` +
  `p99 ${percentile(list, 0.99).toFixed(1).padStart(7)} ms   of ${list.length}`
console.log(
  `\nlogin-flood: ${rate} failed sign-ins per second from as many networks, ${rounds} rounds of ${length} s each, without and with it`,
)
for (const [name, of] of [
  ['without', quiet],
  ['with', flooded],
] as const) {
  console.log(
    `  the server, ${name}: ${percentile(of.processor, 0.5).toFixed(1)} s of processor time in ${length} s`,
  )
  console.log(line(`refresh, ${name}`, of.refresh))
  console.log(line(`key set, ${name}`, of.jwks))
  console.log(line(`sign-in on a known browser, ${name}`, of.known))
  console.log(
    `${line(`sign-in on a new browser, ${name}`, of.stranger)}, tries p50 ${percentile(of.tries, 0.5)} most ${Math.max(...of.tries)}, given up ${of.failed}`,
  )
}
const counted = node
  .stdout()
  .match(/"counts":\{[^}]*\}/g)
  ?.at(-1)
console.log(`  the flood: ${sent} sent, ${JSON.stringify(statuses)}`)
console.log(`  counted by the server: ${counted}`)
