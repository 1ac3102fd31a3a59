import { createHash } from 'node:crypto'
import type { Options } from '../../support/authenticator.ts'
import type { Page } from '../../support/http-exchange.ts'
import type { UserAgent } from '../../support/user-agent.ts'
import type { Entry } from './newcomers.ts'
import type { Seen } from './observation.ts'
import type { Devices } from './passkeys.ts'

/** The model: what the walk knows of its accounts, browsers and links, derived only from what was sent. */
export interface World {
  people: Person[]
  browsers: Browser[]
  sessions: Map<string, LiveSession>
  signIns: Map<string, SignIn>
  /** Part of the addresses in this world. */
  number: number
  /** All links from mails. */
  links: Link[]
  /** Links to create an account. */
  entries: Entry[]
  /** Invited addresses, until the mail arrives. */
  invited: Set<string>
  /** All forms shown, latest last. */
  forms: Form[]
  /** All forms sent, latest last. */
  sent: Form[]
  /** What each CSRF token is bound to. */
  bindings: Map<string, string>
  /** Secrets of apps being set up, by the session or sign-in that showed them. */
  keys: Map<string, string>
  /** Challenges, responses and keys of devices. */
  devices: Devices
  /** Codes that were accepted. */
  usedCodes: string[]
  /** The database after the last step. */
  seen: Seen
  /** Browser and person of the last move. */
  last?: [Browser, Person]
  /** Number of mails read. */
  mailsRead: number
}

export interface Person {
  name: string
  tenant: string
  id: string
  address: string
  password: string
  /** Whether the password is a one-time password. */
  isOneTime: boolean
  /** Earlier passwords. */
  formerPasswords: string[]
  /** By id, with the last time step used. */
  apps: Map<string, { secret: string; lastStep: number }>
  /** By id, with the credential id and the signature counter. */
  passkeys: Map<string, { credential: string; counter: number }>
  recoveryCodes: string[]
  /** Incremented when other sessions are ended, which also ends sign-ins begun before. */
  epoch: number
  /** Incremented by each change of the password or address, which voids links mailed before. */
  version: number
  /** Wrong guesses since the last sign-in. */
  wrong: number
  /** Seconds since the epoch; until then only known browsers can sign in. */
  lockedUntil: number
}

export interface Browser {
  name: string
  agent: UserAgent
  page?: Page
  /** Accounts that signed in there. */
  knownTo: Set<Person>
  /** Reads the mail of Bob and knows the passwords of Alice and Carol, but no codes of others. */
  isAttacker: boolean
}

/** A session of a browser, as proven. */
export interface LiveSession {
  uid: string
  browser: Browser
  person: Person
  level: 'password' | 'two factors'
  /** Time of the last proof, in seconds since the epoch. */
  at: number
}

/** A sign-in in progress, with its proofs so far. */
export interface SignIn {
  uid: string
  browser: Browser
  tenant: string
  person?: Person
  epoch?: number
  passwordAt?: number
  /** The account whose one-time password was right. */
  mustChoose?: Person
  /** Whether the account had a second factor when the password was accepted. */
  needsCode?: boolean
  codeAt?: number
  isOver: boolean
}

export type Purpose = 'reset' | 'verification' | 'email_change' | 'email_objection'

export interface Link {
  purpose: Purpose
  person: Person
  /** The address it was mailed to. */
  address: string
  token: string
  url: string
  /** Seconds since the epoch. */
  at: number
  version: number
  epoch: number
  hash: string
}

export interface Form {
  browser: Browser
  url: URL
  fields: Record<string, string>
  /** WebAuthn options. */
  options?: Options | undefined
}

export const tenantOf = (url: URL): string =>
  url.pathname.startsWith('/t/acme/') ? 'acme' : 'default'
/** The path below the issuer. */
export const pathOf = (url: URL): string => url.pathname.replace(/^\/t\/acme(?=\/)/, '')
export const homeOf = ({ tenant }: Pick<Person, 'tenant'>): string =>
  tenant === 'default' ? '' : `/t/${tenant}`
/** Whether the account is the attacker's. */
export const isTheirs = ({ name }: Person): boolean => name === 'Mallory'
export const hasFactor = ({ apps, passkeys }: Person): boolean => apps.size + passkeys.size > 0
export const nowInSeconds = (): number => Math.floor(Date.now() / 1000)

export const personWith = (world: World, id: string): Person => {
  const found = world.people.find((person) => person.id === id)
  if (!found) throw new Error(`no person has the id ${id}`)
  return found
}

/** The account with this identifier. */
export const personCalled = (world: World, tenant: string, typed: string): Person | undefined =>
  world.people.find(
    (person) =>
      person.tenant === tenant && person.address.toLowerCase() === typed.trim().toLowerCase(),
  )

/** The session of this browser, according to the database. */
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

/** Hashes of all cookies of this browser, any of which may be a session handle. */
export async function handlesOf(browser: Browser, url: URL): Promise<Set<string>> {
  const cookies = await browser.agent.cookies(url)
  return new Set(cookies.map(({ value }) => hashOf(decodeURIComponent(value))))
}

export const hashOf = (value: string): string =>
  createHash('sha256').update(value).digest('base64url')
