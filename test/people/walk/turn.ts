import type { Page } from '../../support/http-exchange.ts'
import { answerTyped, passkeyFormOn } from './passkeys.ts'
import { type Site, step } from './site.ts'
import { codeTyped, type Kind, newPassword, passwordOf, recoveryTyped } from './typed.ts'
import { type Browser, homeOf, type Person, type World } from './world.ts'

/** The random choices of a move, resolved to people and browsers when it runs. */
export interface Chance {
  /** Whether to continue with the last browser and person. */
  stays: boolean
  browser: number
  person: number
  other: number
  kind: Kind
  second: Kind
  any: number
}

/** A person at a browser, about to act. */
export interface Turn extends Omit<Chance, 'stays' | 'browser' | 'person' | 'other'> {
  site: Site
  world: World
  browser: Browser
  person: Person
  /** Another browser, or the same. */
  other: Browser
}

export const formOn = (page: Page | undefined, action: RegExp): URL | undefined => {
  const form = page?.root
    .querySelectorAll('form')
    .find((one) => action.test(one.getAttribute('action') ?? ''))
  return form && page && new URL(form.getAttribute('action') ?? '', page.url)
}

export const csrfOn = (page: Page, url: URL): string => {
  const form = page.root
    .querySelectorAll('form')
    .find((one) => new URL(one.getAttribute('action') ?? '', page.url).href === url.href)
  const [first] = form?.querySelectorAll('[name=csrf]') ?? []
  return first?.getAttribute('value') ?? ''
}

export type Fields = Record<string, string>

export const open = ({ site, world, browser }: Turn, path: string | URL): Promise<Page> =>
  step(site, world, { browser, open: path })

/** Submits the form with this action on the page of the browser, if there is one. */
export async function fill(
  turn: Turn,
  action: RegExp,
  fields: Fields,
  follow = true,
): Promise<Page | undefined> {
  const { site, world, browser } = turn
  const { page } = browser
  const url = formOn(page, action)
  if (!page || !url) return undefined
  const sent = { browser, url, fields: { csrf: csrfOn(page, url), ...fields } }
  return step(site, world, { browser, sent: [sent], follow })
}

/** Fills in every step of a sign-in, with values of the given kinds. */
export async function signIn(turn: Turn): Promise<void> {
  const { world, browser, person, kind, second } = turn
  const username = person.address
  await fill(turn, /\/login$/, { username, password: passwordOf(world, browser, person, kind) })
  if (turn.any % 5 > 0) await choose(turn)
  await showCode(turn, second)
  await setUp(turn, second)
}

/** Replaces a one-time password. */
async function choose(turn: Turn): Promise<void> {
  const chosen = newPassword()
  await fill(turn, /\/password$/, { new_password: chosen, confirm_password: chosen })
}

/** Types enough wrong passwords for a lock, then the right one; only without earlier guesses. */
export async function guess(turn: Turn): Promise<void> {
  const { world, browser, person } = turn
  if (person.wrong > 0 || browser.knownTo.has(person)) return
  await open(turn, `${homeOf(person)}/account`)
  for (let i = 0; i < 5; i++) {
    await fill(turn, /\/login$/, { username: person.address, password: 'a wild guess' })
  }
  if (person.wrong >= 5) person.lockedUntil = Math.floor(Date.now() / 1000) + 29
  await fill(turn, /\/login$/, {
    username: person.address,
    password: passwordOf(world, browser, person, 'right'),
  })
}

/** Answers the passkey form with this action, if there is one. */
export async function showPasskeyOn(
  turn: Turn,
  action: RegExp,
  kind: Kind,
  fields: Fields = {},
): Promise<boolean> {
  const [url, options] = passkeyFormOn(turn.browser, action)
  if (!url || !options) return false
  await fill(turn, action, { ...fields, credential: answerTyped(turn, options, kind) })
  return true
}

export async function showCode(turn: Turn, second: Kind): Promise<void> {
  const { world, browser, person, any } = turn
  // The only factor, or one in three times.
  const wanted = person.apps.size === 0 || any % 3 === 0
  if (wanted && (await showPasskeyOn(turn, /\/factor$/, second))) return
  const isRecovery = any % 4 === 0
  const fields: Fields = isRecovery
    ? { recovery_code: recoveryTyped(world, browser, person, second) }
    : { otp: codeTyped(world, browser, person, second) }
  await fill(turn, /\/factor$/, fields)
}

async function setUp(turn: Turn, second: Kind): Promise<void> {
  const { world, browser, person, any } = turn
  const [, uid = ''] = /\/interaction\/([^/]+)/.exec(browser.page?.url.pathname ?? '') ?? []
  const otp = codeTyped(world, browser, person, second, world.keys.get(uid))
  const isPasskey = any % 2 > 0 && (await showPasskeyOn(turn, /\/set-up$/, second))
  if (!isPasskey) await fill(turn, /\/set-up$/, { otp, name: 'On the way' })
  if (any % 3 > 0) await fill(turn, /\/codes$/, {})
  if (isPasskey) await showCode(turn, second)
}

/** Opens a page of the account, and signs in with values of the given kinds if required. */
export async function at(turn: Turn, page: string): Promise<void> {
  await open(turn, `${homeOf(turn.person)}/account${page}`)
  if (formOn(turn.browser.page, /\/login$/)) await signIn(turn)
}

/** Submits a form on a page of the account. */
export async function atDesk(
  turn: Turn,
  page: string,
  action: RegExp,
  fields: Fields,
): Promise<void> {
  await at({ ...turn, kind: 'right', second: 'right' }, page)
  await fill(turn, action, fields)
}
