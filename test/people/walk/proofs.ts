import { totpCode } from '../../../src/factors/totp.ts'
import { newPasskey, passkeyAlone, passkeyShown } from './passkeys.ts'
import {
  type Browser,
  hasFactor,
  hashOf,
  type Link,
  type LiveSession,
  nowInSeconds,
  type Person,
  pathOf,
  personCalled,
  type SignIn,
  sessionOf,
  tenantOf,
  type World,
} from './world.ts'

/** A form sent to the server. */
export interface Sent {
  browser: Browser
  url: URL
  fields: Record<string, string>
}

/** What a form proves by its fields and its browser, without relying on the server. */
export interface Shown extends Sent {
  path: string
  /** What its CSRF token is bound to. */
  binding: string | undefined
  session: LiveSession | undefined
  signIn: SignIn | undefined
  /** The account of the typed identifier. */
  meant: Person | undefined
}

export async function shownBy(world: World, sent: Sent): Promise<Shown> {
  const { browser, url, fields } = sent
  const path = pathOf(url)
  const uid = /^\/interaction\/([^/]+)\//.exec(path)?.[1] ?? ''
  const { username } = fields
  return {
    ...sent,
    path,
    binding: world.bindings.get(fields['csrf'] ?? ''),
    session: await sessionOf(world, browser, url),
    signIn: world.signIns.get(uid),
    meant: username === undefined ? undefined : personCalled(world, tenantOf(url), username),
  }
}

/** Lifetimes in seconds. */
const freshFor = 300
const stepFor = 600
const linkFor = 1800

export const bindings = {
  signIn: (uid: string) => `sign-in ${uid}`,
  session: (uid: string) => `session ${uid}`,
  browser: ({ name }: Browser, tenant: string) => `browser ${name} ${tenant}`,
  link: (token: string) => `link ${token}`,
}

/** Returns the account that is proven, or undefined. */
export type Proof = (shown: Shown, world: World) => Person | undefined

const onlyIf = (holds: boolean | undefined, person: Person | undefined) =>
  holds ? person : undefined

/** A form of this session, from a page shown in it. */
const ownSession: Proof = ({ session, binding }) =>
  onlyIf(!!session && binding === bindings.session(session.uid), session?.person)

const freshSession: Proof = ({ session }) =>
  onlyIf(!!session && nowInSeconds() - session.at <= freshFor, session?.person)

/** A session with everything that a sign-in of this account requires now. */
const fullSession: Proof = ({ session }) =>
  onlyIf(
    session?.level === 'two factors' || (session && !hasFactor(session.person)),
    session?.person,
  )

const currentPassword: Proof = ({ session, fields }) =>
  onlyIf(fields['current_password'] === session?.person.password, session?.person)

export const isGood = (link: Link, { tokens }: World['seen']): boolean =>
  nowInSeconds() - link.at <= linkFor &&
  link.version === link.person.version &&
  // The session that asked for it may have been ended since.
  (link.purpose !== 'email_change' || link.epoch === link.person.epoch) &&
  tokens.some(({ hash, used }) => hash === link.hash && !used)

/** The form of the latest link of its purpose: not expired, not used, and the account unchanged since. */
const goodLink =
  (purpose: Link['purpose']): Proof =>
  ({ url, fields, binding }, world) => {
    const { token = '' } = fields
    const link = world.links.find((one) => one.hash === hashOf(token))
    const holds =
      link?.purpose === purpose &&
      link.person.tenant === tenantOf(url) &&
      binding === bindings.link(token) &&
      isGood(link, world.seen)
    return onlyIf(holds, link?.person)
  }

/** A form of an unfinished sign-in of this browser, from one of its pages. */
export const isOwn = ({ signIn, browser, url, binding }: Shown): boolean =>
  signIn !== undefined &&
  !signIn.isOver &&
  signIn.browser === browser &&
  signIn.tenant === tenantOf(url) &&
  binding === bindings.signIn(signIn.uid)

/** The password was right in this sign-in less than ten minutes ago, and nothing has ended it since. */
const passwordInSignIn: Proof = (shown) => {
  const { signIn } = shown
  const { person, passwordAt, epoch } = signIn ?? {}
  if (!isOwn(shown) || !person || passwordAt === undefined) return undefined
  return onlyIf(epoch === person.epoch && nowInSeconds() - passwordAt <= stepFor, person)
}

/** The one-time password was right in this sign-in, and has not been replaced since. */
const oneTimePassword: Proof = (shown) => {
  const person = shown.signIn?.mustChoose
  return person && onlyIf(isOwn(shown) && person.isOneTime, person)
}

const noFactorYet: Proof = ({ signIn }) =>
  onlyIf(signIn?.person && !hasFactor(signIn.person), signIn?.person)

const currentStep = () => Math.floor(nowInSeconds() / 30)

/** The time step of a code: the current one or an adjacent one. */
export function stepOf(secret: string, code: string): number | undefined {
  const steps = [-1, 0, 1].map((drift) => currentStep() + drift)
  return steps.findLast((step) => totpCode(secret, step) === code.replaceAll(' ', ''))
}

/** A code of one of the account's apps, later than any used one, or an unused recovery code. */
export function codeFor(person: Person, { fields }: Sent) {
  const { otp = '', recovery_code: recovery = '' } = fields
  const typed = otp.trim() === '' ? recovery : otp
  if (person.recoveryCodes.includes(typed)) return { recovery: typed }
  for (const [factor, { secret, lastStep }] of person.apps) {
    const step = stepOf(secret, typed)
    if (step !== undefined && step > lastStep) return { factor, step }
  }
  return undefined
}

const unusedCode: Proof = (shown) => {
  const person = shown.signIn?.person
  return person && onlyIf(codeFor(person, shown) !== undefined, person)
}

/** A code of a new key, in the sign-in or session that showed the key. */
const codeOfNewKey: Proof = ({ signIn, session, fields }, world) => {
  const secret = world.keys.get(signIn?.uid ?? session?.uid ?? '')
  const fits = secret !== undefined && stepOf(secret, fields['otp'] ?? '') !== undefined
  return onlyIf(fits, signIn?.person ?? session?.person)
}

/** A form of a page shown to this browser; the account that it names needs no proof. */
const nameOnly: Proof = ({ browser, url, binding, meant }) =>
  onlyIf(binding === bindings.browser(browser, tenantOf(url)), meant)

export const proofs = {
  'own session': ownSession,
  'fresh session': freshSession,
  'session with all factors': fullSession,
  'current password': currentPassword,
  'reset link': goodLink('reset'),
  'verification link': goodLink('verification'),
  'link to the new address': goodLink('email_change'),
  'link to the old address': goodLink('email_objection'),
  'password in this sign-in': passwordInSignIn,
  'password for one use in this sign-in': oneTimePassword,
  'unused code': unusedCode,
  'no factor yet': noFactorYet,
  'code of the new key': codeOfNewKey,
  'passkey beside the password': passkeyShown,
  'passkey alone': passkeyAlone(isOwn),
  'new passkey': newPasskey,
  'name of the account': nameOnly,
} satisfies Record<string, Proof>

export type ProofName = keyof typeof proofs

/** Whether a sign-in has everything it requires. */
export function isComplete({ person, passwordAt, needsCode, codeAt, epoch, isOver }: SignIn) {
  if (isOver || !person || passwordAt === undefined || epoch !== person.epoch) return false
  return !needsCode || codeAt !== undefined
}
