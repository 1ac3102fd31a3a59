import { newTotpSecret } from '../../../src/factors/totp.ts'
import { codeOf } from '../../support/second-factor.ts'
import { remember } from '../../support/witness.ts'
import { isGood } from './proofs.ts'
import { type Browser, isTheirs, type Link, type Person, type World } from './world.ts'

/** Kinds of typed secrets: the right one, or one that must be refused. */
export const kinds = ['right', 'right', 'right', 'wrong', 'used', 'of another'] as const
export type Kind = (typeof kinds)[number]

/** What the attacker knows at the start, besides their own secrets. */
const knowsPasswordOf = ['Alice', 'Carol']
const readsMailOf = ['Bob']

const mayRead = ({ isAttacker }: Browser, { person }: Link): boolean =>
  !isAttacker || isTheirs(person) || readsMailOf.includes(person.name)

export function passwordOf(world: World, browser: Browser, person: Person, kind: Kind): string {
  const another = world.people.find(
    (one) => one !== person && one.password !== person.password && isKnown(browser, one),
  )
  const first = person.formerPasswords[0]
  if (kind === 'right' && isKnown(browser, person)) {
    return browser.isAttacker && !isTheirs(person) ? (first ?? person.password) : person.password
  }
  if (kind === 'used' && first !== undefined && isKnown(browser, person)) return first
  if (kind === 'of another' && another) return another.password
  return 'a password that nobody has'
}

const isKnown = ({ isAttacker }: Browser, person: Person) =>
  !isAttacker || isTheirs(person) || knowsPasswordOf.includes(person.name)

const anyApp = ({ apps }: Person) => [...apps.values()].at(-1)?.secret

/** The code of an app. @param key the secret being set up, if any */
export function codeTyped(
  world: World,
  browser: Browser,
  person: Person | undefined,
  kind: Kind,
  key?: string,
): string {
  const knows = person && (!browser.isAttacker || isTheirs(person))
  const right = key ?? (knows ? anyApp(person) : undefined)
  const another = world.people.find(
    (one) => one !== person && one.apps.size > 0 && (!browser.isAttacker || isTheirs(one)),
  )
  if (kind === 'right' && right !== undefined) return codeOf(right)
  if (kind === 'used') return world.usedCodes.at(-1) ?? '000000'
  if (kind === 'of another' && another) return codeOf(anyApp(another) ?? '')
  return codeOf(newTotpSecret())
}

export function recoveryTyped(
  world: World,
  browser: Browser,
  person: Person | undefined,
  kind: Kind,
): string {
  const knows = (one: Person) => !browser.isAttacker || isTheirs(one)
  const another = world.people.find((one) => one !== person && knows(one) && one.recoveryCodes[0])
  const used = world.usedCodes.findLast((code) => code.length > 10)
  if (kind === 'right' && person && knows(person)) return person.recoveryCodes[0] ?? 'none is left'
  if (kind === 'used' && used !== undefined) return used
  if (kind === 'of another' && another) return another.recoveryCodes[0] ?? ''
  return 'aaaaa-bbbbb-ccccc-ddddd-eeeee'
}

let passwords = 0

/** A password not used before. */
export function newPassword(): string {
  const password = `step ${passwords++} of a random walk`
  remember(password)
  return password
}

/** A mailed link that this browser may read: a good one, if wanted and available. */
export function linkTyped(
  world: World,
  browser: Browser,
  purpose: Link['purpose'] | undefined,
  kind: Kind,
): Link | undefined {
  const readable = world.links.filter(
    (link) => mayRead(browser, link) && (purpose === undefined || link.purpose === purpose),
  )
  const good = readable.findLast((link) => isGood(link, world.seen))
  if (kind === 'right') return good ?? readable.at(-1)
  return readable.findLast((link) => !isGood(link, world.seen)) ?? readable[0]
}
