import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
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
import { addressOf, exhaust, kinds, makeOwner, makePeople } from './sign-in-timing/people.ts'
import { namesIn, numberIn, UsageError } from './suite/usage.ts'

/**
 * `npm run bench -- sign-in-timing [samples]` (default 300): whether response times reveal what kind of account is
 * behind an address or a link: failed sign-ins, forgotten passwords and the other forms that take an address, each for
 * every kind of account, interleaved. `--page sign-in` measures only that page, `--kind disabled` compares only this
 * kind with a known account. Both may be repeated.
 */
const { values, positionals } = parseArgs({
  args: process.argv.slice(3),
  allowPositionals: true,
  options: {
    page: { type: 'string', multiple: true },
    kind: { type: 'string', multiple: true },
  },
})
const samples = numberIn('samples', positionals[0] ?? '300', 1)
/** Milliseconds in which work after a response finishes, so that it does not affect the next measurement. */
const settling = 15

const [known, ...others] = kinds
const locked = ['locked', 'locked, unknown']
const whose = ['known', 'unknown', 'disabled', 'deleted']
const links = ['made up', 'replaced', 'used']

/** What is compared on which page; the first kind with each of the others. */
const pages: Record<string, { what: string; of: readonly string[] }> = {
  lock: { what: 'failed sign-ins that start a pause', of: ['known', 'unknown'] },
  'sign-in': { what: 'failed sign-ins', of: [known, ...others, ...locked] },
  forgotten: { what: 'forgotten passwords', of: [...whose, 'unverified', 'without password'] },
  'sign-up': { what: 'sign-ups', of: whose },
  email: { what: 'changes of address', of: whose },
  link: { what: 'invalid links', of: links },
}
const wanted = namesIn('a --page', values.page ?? Object.keys(pages), Object.keys(pages))
const chosen = values.kind && namesIn('a --kind', values.kind, [...kinds, ...locked, ...links])
const chosenOf = ([first = '', ...rest]: readonly string[]) => [
  first,
  ...rest.filter((kind) => chosen?.includes(kind) ?? true),
]
const comparedOn = (page: string) => chosenOf(pages[page]?.of ?? [])
if (!wanted.some((page) => comparedOn(page).length > 1)) {
  const expected = wanted.map((page) => `${pages[page]?.of.slice(1).join(', ')} (${page})`)
  throw new UsageError(`expected a --kind among ${expected.join('; ')}, got ${chosen?.join(', ')}`)
}

await mochaGlobalSetup()
const mailbox = await openMailbox()
const env = {
  ...(await freshStorage(servicesFound() ? 'services' : 'embedded')),
  SMTP_URL: mailbox.url,
}
const core = await openNode(env)
await core.firstStart()
await furnish({ core })
await core.tenants.declareSignUp(defaultTenant, { mode: 'open', domains: [] })
/** Invalid links are those of known accounts. */
const isAsked = (kind: string) =>
  wanted.some((page) => comparedOn(page).includes(kind) || (page === 'link' && kind === known))
/** For `lock`, the second half have one attempt left before their pause. */
const people = wanted.includes('lock') ? 2 * samples : samples
await makePeople(core, Math.max(people, 2), kinds.filter(isAsked))
if (wanted.includes('lock')) {
  for (const kind of comparedOn('lock')) {
    const addresses = Array.from({ length: samples }, (_, i) => addressOf(kind, samples + i))
    await exhaust(core, addresses)
  }
}
const owner = await makeOwner(core)
const first = await core.accounts.byIdentifier(defaultTenant, addressOf('known', 0))
const voids: Record<string, string> = { 'made up': newHandle() }
for (const kind of ['replaced', 'used']) {
  const account = await core.accounts.byIdentifier(
    defaultTenant,
    addressOf('known', kind === 'used' ? 1 : 0),
  )
  const id = account && (await core.actionTokens.issue(defaultTenant, 'reset', account))
  const found = id && (await core.actionTokens.forDelivery(defaultTenant, id))
  if (found) voids[kind] = found.token
  else if (wanted.includes('link')) throw new Error(`no link to be ${kind}`)
}
if (first) await core.actionTokens.issue(defaultTenant, 'reset', first)
await core.actionTokens.use(defaultTenant, 'reset', voids['used'] ?? '')
await core.accounts.declare(defaultTenant, { email: addressOf('locked', 0) })
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

async function settled(status: number, ask: () => Promise<Page>): Promise<number> {
  const took = await timed(status, ask)
  await pause(settling)
  return took
}

const agent = createUserAgent()
const browser = createUserAgent()
const login = await agent.follow(await agent.get(authorizeUrl(server, web)))
const enter = (username: string) =>
  timed(403, () => agent.submit(login, { fields: { username, password: 'a guess that is wrong' } }))
const forgot = await agent.get(`${node.url}/password/forgot`)
const signUp = await agent.get(`${node.url}/sign-up`)
/** Opened when its turn comes: a sign-in older than five minutes must be repeated. */
const emailPage = async () => {
  const signIn = await browser.follow(await browser.get(`${node.url}/account/email`))
  return browser.follow(await browser.submit(signIn, { fields: owner }))
}
let email: Promise<Page> | undefined
if (wanted.includes('sign-in')) {
  for (const kind of comparedOn('sign-in').filter((one) => locked.includes(one))) {
    for (let i = 0; i < 6; i++) await enter(addressOf(kind, 0))
  }
}

/** Submits a page for a kind, each time for a different account of it. @returns milliseconds */
const asks: Record<string, (kind: string, i: number) => Promise<number>> = {
  lock: (kind, i) => enter(addressOf(kind, samples + i)),
  'sign-in': (kind, i) => enter(addressOf(kind, locked.includes(kind) ? 0 : i)),
  forgotten: (kind, i) =>
    settled(303, () => agent.submit(forgot, { fields: { username: addressOf(kind, i) } })),
  'sign-up': (kind, i) =>
    settled(303, () => agent.submit(signUp, { fields: { email: addressOf(kind, i) } })),
  email: async (kind, i) => {
    email ??= emailPage()
    const page = await email
    const fields = { new_email: addressOf(kind, i) }
    return settled(200, () => browser.submit(page, { form: '#email-form', fields }))
  },
  link: (kind) => timed(400, () => agent.get(`${node.url}/password/reset?token=${voids[kind]}`)),
}
for (const [page, { what }] of Object.entries(pages)) {
  const ask = asks[page]
  const compared = comparedOn(page)
  if (!ask || !wanted.includes(page) || compared.length < 2) continue
  printEffects(what, await interleaved(compared, samples, ask))
}
await node.stop()
await mailbox.stop()
await mochaGlobalTeardown()
