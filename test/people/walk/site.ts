import type { Options } from '../../support/authenticator.ts'
import { boot, bootOn, type StorageKind, type TestServer } from '../../support/boot.ts'
import { web } from '../../support/fixtures.ts'
import type { Page } from '../../support/http-exchange.ts'
import { type Mailbox, openMailbox } from '../../support/mailbox.ts'
import { travel } from '../../support/time-travel.ts'
import { remember } from '../../support/witness.ts'
import { judge } from './judge.ts'
import { isEntry, keepEntry, newcomers, openDoors } from './newcomers.ts'
import { changesBetween, observe } from './observation.ts'
import { keepChallenge } from './passkeys.ts'
import { bindings, type Sent, type Shown, shownBy } from './proofs.ts'
import {
  type Browser,
  type Form,
  handlesOf,
  hashOf,
  type Link,
  nowInSeconds,
  pathOf,
  personWith,
  sessionOf,
  tenantOf,
  type World,
} from './world.ts'

/** Seconds between two steps. */
const pace = 3

/** The server under test, and how often each change happened. */
export interface Site {
  server: TestServer
  mailbox: Mailbox
  steps: number
  /** The first step after which a check failed. */
  failedAt?: number
  happened: Map<string, number>
  restart(): Promise<void>
  stop(): Promise<void>
}

/** A client that requires a second factor. */
export const strict = { ...web, client_id: 'strict', require_mfa: true }

export async function openSite(kind: StorageKind): Promise<Site> {
  const mailbox = await openMailbox()
  const server = await boot(kind, { SMTP_URL: mailbox.url })
  await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
  for (const tenant of ['default', 'acme']) await server.core.clients.declare(tenant, strict)
  await openDoors({ server })
  const site: Site = {
    server,
    mailbox,
    steps: 0,
    happened: new Map(),
    async restart() {
      const { env, issuer } = site.server
      await site.server.stop()
      site.server = await bootOn(kind, env, new URL(issuer).port)
    },
    async stop() {
      await site.server.stop()
      await mailbox.stop()
    },
  }
  return site
}

/** Follows redirects like a browser without script, and confirms the sign-out that may come first. */
async function arriveAt(browser: Browser, page: Page, forms: Sent[]): Promise<Page> {
  const arrived = await browser.agent.follow(page)
  const form = arrived.root.querySelector('form[action$="/logout/confirm"]')
  if (!form || arrived.location) return arrived
  forms.push({ browser, url: new URL(form.getAttribute('action') ?? '', arrived.url), fields: {} })
  return browser.agent.follow(await browser.agent.submit(arrived))
}

/**
 * One step: sends forms at once or opens a page, then judges all changes.
 * @param open a page, when nothing is sent
 */
export async function step(
  site: Site,
  world: World,
  {
    browser,
    open,
    sent = [],
    follow = true,
  }: {
    browser: Browser
    open?: string | URL
    sent?: Sent[]
    follow?: boolean
  },
): Promise<Page> {
  travel(pace)
  site.steps++
  const shown = await Promise.all(sent.map((one) => shownBy(world, one)))
  const confirmed: Sent[] = []
  const ask = async (agent: Browser, work: Promise<Page>) => {
    const page = await work
    return follow ? arriveAt(agent, page, confirmed) : page
  }
  const pages = open
    ? [await ask(browser, browser.agent.get(new URL(open, site.server.issuer)))]
    : await Promise.all(
        sent.map((one) => ask(one.browser, one.browser.agent.post(one.url, one.fields))),
      )
  for (const one of sent) world.sent.push(one)
  for (const one of confirmed) shown.push(await shownBy(world, one))
  await look(site, world, [browser, ...sent.map((one) => one.browser)], shown)
  const owners = open ? [browser] : sent.map((one) => one.browser)
  for (const [at, page] of pages.entries()) await capture(world, owners[at] as Browser, page)
  const [page] = pages
  if (!page) throw new Error('a step without a request')
  return page
}

/** Reads the database and judges what changed. */
async function look(
  site: Site,
  world: World,
  involved: Browser[],
  shown: Parameters<typeof judge>[1],
): Promise<void> {
  const after = await observe(
    site.server.core,
    world.people.map(({ id }) => id),
    newcomers(world),
  )
  const holders = await Promise.all(
    [...new Set(involved)].map(async (browser) => {
      const homes = ['/account', '/t/acme/account'].map((path) => new URL(path, site.server.issuer))
      const handles = await Promise.all(homes.map((home) => handlesOf(browser, home)))
      return { browser, handles: new Set(handles.flatMap((some) => [...some])) }
    }),
  )
  const changes = changesBetween(world.seen, after, Date.now() / 1000)
  for (const { kind } of changes) site.happened.set(kind, (site.happened.get(kind) ?? 0) + 1)
  judge(world, shown, changes, after, holders)
  world.seen = after
  readMail(site, world, shown)
}

/** Stores the links of new mails. */
function readMail({ mailbox }: Site, world: World, shown: Shown[]): void {
  for (const { link: url, to } of mailbox.mails.slice(world.mailsRead)) {
    world.mailsRead++
    if (url === undefined) continue
    if (isEntry(url)) {
      keepEntry(world, url, to, shown)
      continue
    }
    const token = new URL(url).searchParams.get('token') ?? ''
    const hash = hashOf(token)
    const row = world.seen.tokens.find((one) => one.hash === hash)
    if (!row) continue
    const person = personWith(world, row.account)
    const link: Link = {
      ...{ purpose: row.purpose, person, address: to, token, url, hash },
      ...{ at: nowInSeconds(), version: person.version, epoch: person.epoch },
    }
    world.links.push(link)
  }
}

/** Stores the forms of a page, the bindings of their CSRF tokens, and secrets that are shown only once. */
async function capture(world: World, browser: Browser, page: Page): Promise<void> {
  browser.page = page
  const tenant = tenantOf(page.url)
  const session = await sessionOf(world, browser, page.url)
  const [, uid] = /^\/interaction\/([^/]+)/.exec(pathOf(page.url)) ?? []
  if (uid !== undefined && page.status < 400 && !world.signIns.has(uid)) {
    world.signIns.set(uid, { uid, browser, tenant, isOver: false })
  }
  for (const form of page.root.querySelectorAll('form')) {
    const url = new URL(form.getAttribute('action') ?? '', page.url)
    const fields: Record<string, string> = {}
    for (const input of form.querySelectorAll('input')) {
      const name = input.getAttribute('name')
      if (name && input.getAttribute('type') !== 'checkbox') {
        fields[name] = input.getAttribute('value') ?? ''
      }
    }
    const binding = bindingOf(browser, url, fields, session?.uid)
    const { csrf } = fields
    if (csrf === undefined || binding === undefined) continue
    world.bindings.set(csrf, binding)
    const text = form.getAttribute('data-options')
    const options = text === undefined ? undefined : (JSON.parse(text) as Options)
    keepChallenge(world, url, uid ?? session?.uid, options)
    const kept: Form = { browser, url, fields, options }
    world.forms.push(kept)
  }
  const key = page.root.querySelector('#secret')?.textContent.replaceAll(' ', '')
  const owner = uid ?? session?.uid
  if (key !== undefined && owner !== undefined) {
    remember(key)
    world.keys.set(owner, key)
  }
  const codes = page.root.querySelectorAll('#recovery-codes code').map((code) => code.textContent)
  if (codes.length > 0) keepCodes(world, uid, session?.person.id, codes)
}

function keepCodes(
  world: World,
  uid: string | undefined,
  accountId: string | undefined,
  codes: string[],
): void {
  const person = uid === undefined ? undefined : world.signIns.get(uid)?.person
  remember(...codes)
  const owner = person ?? (accountId === undefined ? undefined : personWith(world, accountId))
  if (owner) owner.recoveryCodes = codes
}

/** What the CSRF token of a form is bound to, by the form's address and the browser. */
function bindingOf(
  browser: Browser,
  url: URL,
  fields: Record<string, string>,
  session: string | undefined,
): string | undefined {
  const path = pathOf(url)
  const [, uid] = /^\/interaction\/([^/]+)/.exec(path) ?? []
  if (fields['token'] !== undefined) return bindings.link(fields['token'])
  if (uid !== undefined) return bindings.signIn(uid)
  if (path === '/sign-up') return bindings.browser(browser, `${tenantOf(url)} sign-up`)
  if (path === '/password/forgot') return bindings.browser(browser, tenantOf(url))
  return session === undefined ? undefined : bindings.session(session)
}
