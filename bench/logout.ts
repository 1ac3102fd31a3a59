import { performance } from 'node:perf_hooks'
import { defaultTenant } from '../src/tenants/tenant.ts'
import { boot, type TestServer } from '../test/support/boot.ts'
import { alice, furnish, web } from '../test/support/fixtures.ts'
import { type LogoutReceiver, startLogoutReceiver } from '../test/support/logout-receiver.ts'
import { tokensFor } from '../test/support/protocol.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { createUserAgent } from '../test/support/user-agent.ts'
import { percentile } from './load/percentile.ts'

/**
 * Stories (sign-in, tokens, log-out) per block. The variants alternate, so that drift of the machine affects all of
 * them.
 */
const perBlock = 10
const blocks = 8
/** Messages queued for the client that hangs. */
const waiting = 300

interface Variant {
  name: string
  server: TestServer
  party: LogoutReceiver
  signIns: number[]
  logouts: number[]
}

const kind = servicesFound() ? 'services' : 'embedded'

async function prepare(name: string, tells: boolean, hangs: boolean): Promise<Variant> {
  const server = await boot(kind, { ALLOW_LOOPBACK_FETCH: 'on', LOG_LEVEL: 'silent' })
  await furnish(server)
  const party = await startLogoutReceiver({ issuer: server.issuer, clientId: web.client_id })
  const { clients, accounts, logouts } = server.core
  if (tells) {
    await clients.declare(defaultTenant, { ...web, backchannel_logout_uri: party.uri })
  }
  if (hangs) {
    party.answerWith(() => undefined)
    const account = await accounts.byIdentifier(defaultTenant, alice.email)
    const sids = Array.from({ length: waiting }, (_, i) => `sid-${i}`)
    const parts = sids.map((sid) => ({
      accountId: account?.id ?? '',
      clientId: web.client_id,
      sid,
    }))
    await logouts.tell(defaultTenant, parts, false)
  }
  return { name, server, party, signIns: [], logouts: [] }
}

async function measure({ server, signIns, logouts }: Variant): Promise<void> {
  for (let i = 0; i < perBlock; i++) {
    const agent = createUserAgent()
    const started = performance.now()
    await tokensFor(server, web, {}, agent)
    signIns.push(performance.now() - started)
    const asked = await agent.get(`${server.issuer}/logout`)
    const before = performance.now()
    await agent.submit(asked)
    logouts.push(performance.now() - before)
  }
}

const figures = (latencies: number[]) =>
  [0.5, 0.99].map((part) => `${percentile(latencies, part).toFixed(1)} ms`.padStart(10)).join('')

await mochaGlobalSetup()
const variants = [
  await prepare('no client to notify', false, false),
  await prepare('a client that responds', true, false),
  await prepare(`a client that hangs, ${waiting} messages queued`, true, true),
]
for (const variant of variants) await measure(variant)
for (const variant of variants)
  for (const list of [variant.signIns, variant.logouts]) list.length = 0
for (let block = 0; block < blocks; block++) for (const variant of variants) await measure(variant)

console.log(`${kind}, ${perBlock * blocks} stories each`)
for (const { name, signIns, logouts } of variants) {
  console.log(`\n${name}\n${' '.repeat(26)}p50       p99`)
  console.log(`  sign-in and tokens${figures(signIns)}`)
  console.log(`  log-out           ${figures(logouts)}`)
}
for (const { party, server } of variants) {
  await party.stop()
  await server.stop()
}
await mochaGlobalTeardown()
