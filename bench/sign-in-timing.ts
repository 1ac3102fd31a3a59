import { setTimeout as pause } from 'node:timers/promises'
import { newHandle } from '../src/secrets/handle.ts'
import { defaultTenant } from '../src/tenants/tenant.ts'
import { freshStorage, type TestServer } from '../test/support/boot.ts'
import { openNode } from '../test/support/cores.ts'
import { furnish, web } from '../test/support/fixtures.ts'
import type { Page } from '../test/support/http-exchange.ts'
import { openMailbox } from '../test/support/mailbox.ts'
import { startNode } from '../test/support/node-process.ts'
import { authorizeUrl } from '../test/support/protocol.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { createUserAgent } from '../test/support/user-agent.ts'
import { interleaved, printEffects } from './sign-in-timing/effect.ts'
import { addressOf, kinds, makeOwner, makePeople } from './sign-in-timing/people.ts'
import { argument } from './suite/usage.ts'

/**
 * Whether time tells what is behind an address, or behind a link: wrong sign-ins, forgotten passwords, other addresses
 * and void links, each at every kind of account, interleaved. `npm run bench -- sign-in-timing [samples]`, 300 by default.
 */
const samples = argument('samples', 300)
/** Milliseconds in which what an answer left to do is done, so that it is not measured with the next one. */
const settling = 15

await mochaGlobalSetup()
const mailbox = await openMailbox()
const env = {
  ...(await freshStorage(servicesFound() ? 'services' : 'embedded')),
  SMTP_URL: mailbox.url,
}
const core = await openNode(env)
await core.firstStart()
await furnish({ core })
await makePeople(core, samples)
const owner = await makeOwner(core)
const known = await core.accounts.byIdentifier(defaultTenant, addressOf('known', 0))
const voids: Record<string, string> = { 'made up': newHandle() }
for (const kind of ['replaced', 'used']) {
  const account = await core.accounts.byIdentifier(
    defaultTenant,
    addressOf('known', kind === 'used' ? 1 : 0),
  )
  const id = account && (await core.actionTokens.issue(defaultTenant, 'reset', account))
  const found = id && (await core.actionTokens.forDelivery(defaultTenant, id))
  voids[kind] = found ? found.token : ''
}
if (known) await core.actionTokens.issue(defaultTenant, 'reset', known)
await core.actionTokens.use(defaultTenant, 'reset', voids['used'] ?? '')
await core.close()
const node = await startNode({ env })
const server = { issuer: node.url } as TestServer

async function timed(status: number, ask: () => Promise<Page>): Promise<number> {
  const began = performance.now()
  const answer = await ask()
  const took = performance.now() - began
  if (answer.status !== status) throw new Error(`${answer.status}: ${answer.body}`)
  return took
}

const agent = createUserAgent()
const login = await agent.follow(await agent.get(authorizeUrl(server, web)))
const enter = (username: string) =>
  timed(403, () => agent.submit(login, { fields: { username, password: 'a guess that is wrong' } }))
const locked = addressOf('unverified', 0)
const lockedUnknown = addressOf('nobody', 0)
for (let i = 0; i < 6; i++) {
  await enter(locked)
  await enter(lockedUnknown)
}
const atLogin = [...kinds, 'locked', 'locked, unknown']
printEffects(
  'wrong sign-ins',
  await interleaved(atLogin, samples, (kind, i) => {
    if (kind === 'locked') return enter(locked)
    if (kind === 'locked, unknown') return enter(lockedUnknown)
    // The first of these is the one that is locked.
    return enter(addressOf(kind, kind === 'unverified' ? Math.max(i, 1) : i))
  }),
)

const forgot = await agent.get(`${node.url}/password/forgot`)
printEffects(
  'forgotten passwords',
  await interleaved(kinds, samples, async (kind, i) => {
    const fields = { username: addressOf(kind, i) }
    const took = await timed(303, () => agent.submit(forgot, { fields }))
    await pause(settling)
    return took
  }),
)

const browser = createUserAgent()
const signIn = await browser.follow(await browser.get(`${node.url}/account/email`))
const page = await browser.follow(await browser.submit(signIn, { fields: owner }))
printEffects(
  'another address wanted',
  await interleaved(['known', 'unknown', 'disabled', 'deleted'], samples, async (kind, i) => {
    const fields = { new_email: addressOf(kind, i) }
    const took = await timed(200, () => browser.submit(page, { form: '#email-form', fields }))
    await pause(settling)
    return took
  }),
)

printEffects(
  'void links',
  await interleaved(Object.keys(voids), samples, (kind) =>
    timed(400, () => agent.get(`${node.url}/password/reset?token=${voids[kind]}`)),
  ),
)
await node.stop()
await mailbox.stop()
await mochaGlobalTeardown()
