import { defaultTenant } from '../src/tenants/tenant.ts'
import { freshStorage, type TestServer } from '../test/support/boot.ts'
import { openNode } from '../test/support/cores.ts'
import { furnish, web } from '../test/support/fixtures.ts'
import { startNode } from '../test/support/node-process.ts'
import { authorizeUrl } from '../test/support/protocol.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { createUserAgent } from '../test/support/user-agent.ts'
import { percentile } from './load/percentile.ts'

/**
 * Whether time tells what an account is: wrong sign-ins at a known one, interleaved with those at an unknown, a
 * disabled, a password-less and a locked one. Cliff's delta of two lists: 0 when neither tends to be longer, 1 or -1
 * when one always is. `npm run bench -- sign-in-timing [samples]`, 300 by default.
 */
const samples = Number(process.argv[3] ?? 300)
const kinds = [
  'known',
  'unknown',
  'disabled',
  'password-less',
  'locked',
  'locked, unknown',
] as const
const password = 'the password of all of them'

await mochaGlobalSetup()
const env = await freshStorage(servicesFound() ? 'services' : 'embedded')
const core = await openNode(env)
await core.firstStart()
await furnish({ core })
const emailOf = (kind: string, i: number) => `${kind.replaceAll(/\W+/g, '-')}${i}@example.com`
// Each known one is asked once, so that none is locked by being measured.
for (let i = 0; i < samples; i++) {
  await core.accounts.create(defaultTenant, { email: emailOf('known', i), password })
  const { account } = await core.accounts.create(defaultTenant, {
    email: emailOf('disabled', i),
    password,
  })
  await core.accounts.setDisabled(account, true)
  await core.accounts.declare(defaultTenant, { email: emailOf('password-less', i) })
}
const locked = await core.accounts.create(defaultTenant, { email: emailOf('locked', 0), password })
await core.close()
const node = await startNode({ env })
const server = { issuer: node.url } as TestServer
const agent = createUserAgent()
const page = await agent.follow(await agent.get(authorizeUrl(server, web)))

async function wrong(username: string): Promise<number> {
  const began = performance.now()
  const fields = { username, password: 'a guess that is wrong' }
  const answer = await agent.submit(page, { fields })
  const took = performance.now() - began
  if (answer.status !== 403) throw new Error(`${answer.status}: ${answer.body}`)
  return took
}

const nameOf = (kind: (typeof kinds)[number], i: number) => {
  if (kind === 'locked') return locked.account.email
  return kind === 'locked, unknown' ? 'nobody@example.com' : emailOf(kind, i)
}
for (let i = 0; i < 6; i++) {
  await wrong(nameOf('locked', 0))
  await wrong(nameOf('locked, unknown', 0))
}
const took = new Map<string, number[]>(kinds.map((kind) => [kind, []]))
for (let i = 0; i < samples; i++) {
  // Each round in another order: what runs beside meets all alike.
  for (const at of kinds.keys()) {
    const kind = kinds[(at + i) % kinds.length] as (typeof kinds)[number]
    took.get(kind)?.push(await wrong(nameOf(kind, i)))
  }
}
await node.stop()
await mochaGlobalTeardown()

function delta(one: number[], other: number[]): number {
  let more = 0
  for (const a of one) for (const b of other) more += Math.sign(a - b)
  return more / (one.length * other.length)
}
const known = took.get('known') ?? []
console.log(`\nwrong sign-ins, ${samples} of each, interleaved`)
for (const [kind, list] of took) {
  console.log(
    `  ${kind.padEnd(16)} p50 ${percentile(list, 0.5).toFixed(1).padStart(6)} ms   ` +
      `p99 ${percentile(list, 0.99).toFixed(1).padStart(6)} ms   delta to known ${delta(list, known).toFixed(3)}`,
  )
}
