import { createHash } from 'node:crypto'
import type { Options } from '../../support/authenticator.ts'
import type { Page } from '../../support/http-exchange.ts'
import type { UserAgent } from '../../support/user-agent.ts'
import type { Entry } from './newcomers.ts'
import type { Seen } from './observation.ts'
import type { Devices } from './passkeys.ts'

/** What the walk knows of the accounts, browsers and links that it plays with: the model, made from what was sent alone. */
export interface World {
  people: Person[]
  browsers: Browser[]
  sessions: Map<string, LiveSession>
  signIns: Map<string, SignIn>
  /** Names the people of this one. */
  number: number
  /** Every link that a mail brought. */
  links: Link[]
  /** Those to make an account with. */
  entries: Entry[]
  /** Who was asked in, until the mail is there. */
  invited: Set<string>
  /** Every form that was seen, the latest last. */
  forms: Form[]
  /** Every form that was sent, the latest last. */
  sent: Form[]
  /** What the token of a form is bound to. */
  bindings: Map<string, string>
  /** The key of an app that was shown, by the session or the sign-in that it was shown in. */
  keys: Map<string, string>
  /** What devices were asked, and what they said. */
  devices: Devices
  /** Codes that were right once. */
  usedCodes: string[]
  /** How the database was after the last step. */
  seen: Seen
  /** Who did the last move, and where. */
  last?: [Browser, Person]
  /** How many mails were read. */
  mailsRead: number
}

export interface Person {
  name: string
  tenant: string
  id: string
  address: string
  password: string
  /** Whether it is for one use, to choose another with. */
  isOneTime: boolean
  /** Those before. */
  formerPasswords: string[]
  /** Apps by their ids, with the last step that was used. */
  apps: Map<string, { secret: string; lastStep: number }>
  /** Passkeys by their ids, with what names the key and how often it has signed. */
  passkeys: Map<string, { credential: string; counter: number }>
  recoveryCodes: string[]
  /** Grows when what was signed in elsewhere is over; a sign-in begun before is, too. */
  epoch: number
  /** Grows with each change of the password or the address; a link mailed before is over. */
  version: number
  /** Wrong guesses since anybody signed in. */
  wrong: number
  /** In seconds: until then no browser gets in that had not before. */
  lockedUntil: number
}

export interface Browser {
  name: string
  agent: UserAgent
  page?: Page
  /** Who signed in there. */
  knownTo: Set<Person>
  /** Reads the mail of Bob and knows the password of Alice and Carol, and no code of anybody else's. */
  isAttacker: boolean
}

/** Session of a browser, as it was proven. */
export interface LiveSession {
  uid: string
  browser: Browser
  person: Person
  level: 'password' | 'two factors'
  /** When the last of it was shown, in seconds. */
  at: number
}

/** A sign-in on its way: what was shown in it. */
export interface SignIn {
  uid: string
  browser: Browser
  tenant: string
  person?: Person
  epoch?: number
  passwordAt?: number
  /** Whose password for one use was right. */
  mustChoose?: Person
  /** Whether the account had a second factor when its password was shown. */
  needsCode?: boolean
  codeAt?: number
  isOver: boolean
}

export type Purpose = 'reset' | 'verification' | 'email_change' | 'email_objection'

export interface Link {
  purpose: Purpose
  person: Person
  /** Where it was mailed to. */
  address: string
  token: string
  url: string
  /** In seconds. */
  at: number
  version: number
  epoch: number
  hash: string
}

export interface Form {
  browser: Browser
  url: URL
  fields: Record<string, string>
  /** What it asks devices for. */
  options?: Options | undefined
}

export const tenantOf = (url: URL): string =>
  url.pathname.startsWith('/t/acme/') ? 'acme' : 'default'
/** Below the issuer. */
export const pathOf = (url: URL): string => url.pathname.replace(/^\/t\/acme(?=\/)/, '')
export const homeOf = ({ tenant }: Pick<Person, 'tenant'>): string =>
  tenant === 'default' ? '' : `/t/${tenant}`
/** Whether it is the account of the attacker. */
export const isTheirs = ({ name }: Person): boolean => name === 'Mallory'
export const hasFactor = ({ apps, passkeys }: Person): boolean => apps.size + passkeys.size > 0
export const nowInSeconds = (): number => Math.floor(Date.now() / 1000)

export const personWith = (world: World, id: string): Person => {
  const found = world.people.find((person) => person.id === id)
  if (!found) throw new Error(`nobody has the id ${id}`)
  return found
}

/** Whom an identifier means. */
export const personCalled = (world: World, tenant: string, typed: string): Person | undefined =>
  world.people.find(
    (person) =>
      person.tenant === tenant && person.address.toLowerCase() === typed.trim().toLowerCase(),
  )

/** Who is signed in, as the database has it under the cookie of this browser. */
export async function sessionOf(
  world: World,
  browser: Browser,
  url: URL,
): Promise<LiveSession | undefined> {
  const hashes = await handlesOf(browser, url)
  const row = world.seen.sessions.find(
    (session) => session.tenant === tenantOf(url) && hashes.has(session.handle),
  )
  return row && world.sessions.get(row.uid)
}

/** The hashes of what this browser could show as a handle. */
export async function handlesOf(browser: Browser, url: URL): Promise<Set<string>> {
  const cookies = await browser.agent.cookies(url)
  return new Set(cookies.map(({ value }) => hashOf(decodeURIComponent(value))))
}

export const hashOf = (value: string): string =>
  createHash('sha256').update(value).digest('base64url')
