import {
  makePasskey,
  type Options,
  present,
  type SoftKey,
  showPasskey,
} from '../../support/authenticator.ts'
import type { Proof, Shown } from './proofs.ts'
import type { Turn } from './turn.ts'
import type { Kind } from './typed.ts'
import { type Browser, isTheirs, nowInSeconds, type Person, pathOf, type World } from './world.ts'

/** A challenge from a page: its purpose, and its sign-in or session. */
interface Challenge {
  purpose: 'sign_in' | 'second_factor' | 'enrol'
  owner: string
  /** Seconds since the epoch. */
  at: number
  isUsed: boolean
}

/** The response of a device to a challenge. */
interface Answer {
  /** Id of the key. */
  credential: string
  challenge: string
  counter: number
  /** Signed by the key with this id, for this site. */
  isHonest: boolean
  /** With user verification, which is optional beside a password. */
  isSure: boolean
}

/** The model of all devices in a walk. */
export interface Devices {
  challenges: Map<string, Challenge>
  /** By the text that was sent. */
  answers: Map<string, Answer>
  /** By credential id, with the signature counter. */
  keys: Map<string, { key: SoftKey; counter: number }>
}

export const newDevices = (): Devices => ({
  challenges: new Map(),
  answers: new Map(),
  keys: new Map(),
})

/** Lifetime in seconds. */
const challengeFor = 600

/** Stores the challenge of a page. @param owner the sign-in or session of the page */
export function keepChallenge(
  { devices }: World,
  url: URL,
  owner: string | undefined,
  options: Options | undefined,
): void {
  if (options === undefined || owner === undefined) return
  const path = pathOf(url)
  const purpose = path.endsWith('/factor') ? 'second_factor' : 'sign_in'
  const isNew = /\/(set-up|factors\/passkey)$/.test(path)
  const about = { purpose: isNew ? 'enrol' : purpose, owner } as const
  devices.challenges.set(options.challenge, { ...about, at: nowInSeconds(), isUsed: false })
}

/** The address and options of the passkey form with this action. */
export function passkeyFormOn({ page }: Browser, action: RegExp): [] | [URL, Options] {
  const form = page?.root
    .querySelectorAll('#passkey-form')
    .find((one) => action.test(one.getAttribute('action') ?? ''))
  const text = form?.getAttribute('data-options')
  if (!page || !form || !text) return []
  return [new URL(form.getAttribute('action') ?? '', page.url), JSON.parse(text) as Options]
}

/** One of the latest challenges of another sign-in or session, preferably for the same purpose. */
function elsewhere({ challenges }: Devices, { challenge }: Options, any: number) {
  const own = challenges.get(challenge)
  const others = [...challenges].filter(([, { owner }]) => owner !== own?.owner)
  const alike = others.filter(([, { purpose }]) => purpose === own?.purpose)
  const some = any % 7 === 0 || alike.length === 0 ? others : alike
  const [other] = some[some.length - 1 - (any % Math.min(some.length, 5))] ?? []
  return other === undefined ? {} : { challenge: other }
}

/** The response of a device: valid, or one that must be refused. */
export function answerTyped(turn: Turn, options: Options, kind: Kind): string {
  const { site, world, browser, person, any } = turn
  const { devices } = world
  const { origin } = new URL(site.server.issuer)
  const knows = (one: Person) => !browser.isAttacker || isTheirs(one)
  const keep = (sent: string, key: SoftKey, counter: number, isSure: boolean) => {
    const { challenge } = asked
    const isHonest = kind !== 'wrong' || !isSure
    devices.answers.set(sent, { credential: key.id, challenge, counter, isHonest, isSure })
    return sent
  }
  const used = [...devices.answers.keys()]
  const asked =
    kind === 'of another' && any % 3 > 0
      ? { ...options, ...elsewhere(devices, options, any) }
      : options
  if (kind === 'used' && used.length > 0) return used[used.length - 1 - (any % used.length)] ?? ''
  const lies = kind === 'wrong' ? { origin: `${origin}.example` } : {}
  if (options.user !== undefined) {
    const { key, credential } = makePasskey(asked, origin, lies)
    devices.keys.set(key.id, { key, counter: 0 })
    return keep(credential, key, 0, true)
  }
  const owners = world.people.filter((one) => knows(one) && one.passkeys.size > 0)
  const owner =
    kind === 'of another' && any % 3 !== 1
      ? owners.find((one) => one !== person)
      : owners.find((one) => one === person)
  const [named] = [...((owner ?? owners[0])?.passkeys.values() ?? [])].slice(-1)
  const device = named && devices.keys.get(named.credential)
  if (!device) return '{}'
  // A copied key repeats the count.
  const counter = any % 7 === 0 ? device.counter : ++device.counter
  const isUnsure = kind === 'wrong' && any % 2 > 0
  const told = isUnsure ? { flags: present } : lies
  const sent = showPasskey(device.key, asked, origin, { ...told, counter })
  return keep(sent, device.key, counter, !isUnsure)
}

/** The response in a form, if it answers a valid challenge of this purpose and owner. */
function answerIn(
  { fields }: Shown,
  { devices }: World,
  purpose: Challenge['purpose'],
  owner: string | undefined,
): Answer | undefined {
  const answer = devices.answers.get(fields['credential'] ?? '')
  const challenge = answer && devices.challenges.get(answer.challenge)
  if (!answer?.isHonest || !challenge || challenge.isUsed) return undefined
  const isInTime = nowInSeconds() - challenge.at <= challengeFor
  return challenge.purpose === purpose && challenge.owner === owner && isInTime ? answer : undefined
}

/** The passkey of a response, if the counter increased or stays at 0. */
function passkeyOf({ passkeys }: Person, { credential, counter }: Answer): string | undefined {
  const [found] = [...passkeys].find(([, one]) => one.credential === credential) ?? []
  const last = passkeys.get(found ?? '')?.counter ?? 0
  return counter > last || (counter === 0 && last === 0) ? found : undefined
}

/** A passkey beside the password. */
export const passkeyShown: Proof = (shown, world) => {
  const { signIn } = shown
  const answer = answerIn(shown, world, 'second_factor', signIn?.uid)
  const person = signIn?.person
  return answer && person && passkeyOf(person, answer) ? person : undefined
}

/** A passkey alone, in a sign-in of this browser. */
export const passkeyAlone =
  (isOwn: (shown: Shown) => boolean): Proof =>
  (shown, world) => {
    const { signIn } = shown
    const answer = answerIn(shown, world, 'sign_in', signIn?.uid)
    if (!answer?.isSure || !isOwn(shown)) return undefined
    return world.people.find(
      (person) => person.tenant === signIn?.tenant && passkeyOf(person, answer) !== undefined,
    )
  }

/** A new key for the account that is signed in or signing in. */
export const newPasskey: Proof = (shown, world) => {
  const { signIn, session } = shown
  const answer = answerIn(shown, world, 'enrol', signIn?.uid ?? session?.uid)
  return answer && (signIn?.person ?? session?.person)
}

/**
 * Updates the model after an accepted response.
 * @returns what is wrong: another key than that of the response
 */
export function learnPasskey(
  { devices }: World,
  { fields }: Shown,
  subject: Person,
  change: { kind: string; factor: string; credential: string; counter: number },
): string | undefined {
  const answer = devices.answers.get(fields['credential'] ?? '')
  const { factor, credential, counter } = change
  if (answer?.credential !== credential || answer.counter !== counter) return 'another key'
  if (change.kind === 'passkey used' && passkeyOf(subject, answer) !== factor) return 'another key'
  subject.passkeys.set(factor, { credential, counter })
  const challenge = devices.challenges.get(answer.challenge)
  if (challenge) challenge.isUsed = true
  return undefined
}
