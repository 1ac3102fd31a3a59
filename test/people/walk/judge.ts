import { AssertionError } from 'chai'
import { multiFactor } from '../../../src/oidc/authentication-context.ts'
import { greet } from './newcomers.ts'
import type { Change, Seen, SessionChange } from './observation.ts'
import { learnPasskey } from './passkeys.ts'
import { codeFor, isComplete, isOwn, proofs, type Shown, stepOf } from './proofs.ts'
import { type Rule, rules } from './rules.ts'
import {
  type Browser,
  hasFactor,
  hashOf,
  nowInSeconds,
  type Person,
  personWith,
  type SignIn,
  type World,
} from './world.ts'

/** A form, the rule that covers it, and the account of all its proofs. */
interface Claim {
  shown: Shown
  rule: Rule
  subject: Person
}

/** A browser and the session handles in its cookies. */
export interface Holder {
  browser: Browser
  handles: Set<string>
}

const fail = (what: string, more: object = {}) => {
  throw new AssertionError(`${what} ${JSON.stringify(more)}`)
}

function claimOf(world: World, shown: Shown, rule: Rule): Claim | undefined {
  const [subject, ...others] =
    rule.demands.length === 0
      ? [shown.session?.person]
      : rule.demands.map((name) => proofs[name](shown, world))
  if (!subject || others.some((other) => other !== subject)) return undefined
  return { shown, rule, subject }
}

/** The name of a change in the rules, as seen from a form. */
function nameOf(change: Change, { path, session }: Shown): Rule['may'][number] | undefined {
  switch (change.kind) {
    case 'link made':
      return `make ${change.purpose}`
    case 'link used':
      return `use ${change.purpose}`
    case 'link void':
      return `withdraw ${change.purpose}`
    case 'session ended':
      if (path.includes(change.session.uid)) return 'named session ended'
      return change.session.uid === session?.uid ? 'own session ended' : 'other session ended'
    case 'app removed':
    case 'passkey removed':
      return path.includes(change.factor) ? change.kind : undefined
    case 'session opened':
    case 'session moved':
      return undefined
    default:
      return change.kind
  }
}

/**
 * Checks the changes of a step against its forms, and updates the model.
 * @param holders the browsers of this step
 * @throws AssertionError for a change without proof, or for a session that a rule requires to be ended
 */
export function judge(
  world: World,
  shown: Shown[],
  changes: Change[],
  after: Seen,
  holders: Holder[],
): void {
  const claims = shown.flatMap((one) =>
    rules.filter(({ to }) => to.test(one.path)).flatMap((rule) => claimOf(world, one, rule) ?? []),
  )
  for (const one of shown) notePassword(one)
  for (const { path, signIn, session, fields } of shown) {
    if (fields['credential'] !== undefined) continue
    const guessed = path.endsWith('/factor') ? signIn?.person : session?.person
    if (guessed && /\/(factor|account\/password)$/.test(path)) guessed.wrong++
  }
  for (const change of changes) {
    if (change.kind === 'account made') greet(world, change, shown, provePassword)
  }
  const taken = new Set<Claim>()
  const opened = changes.filter(
    (change): change is SessionChange => change.kind === 'session opened',
  )
  for (const change of changes) {
    if (
      change.kind === 'account made' ||
      change.kind === 'session opened' ||
      isReplaced(world, change, opened.length, holders)
    )
      continue
    const claim = claims.find(
      ({ subject, rule, shown: one }) =>
        subject.id === change.account &&
        rule.may.some((allowed) => allowed === nameOf(change, one)),
    )
    if (!claim) return fail(`${change.kind} without its proof:`, { change, forms: inShort(shown) })
    taken.add(claim)
    learn(world, change, claim)
  }
  const spent = changes.filter(({ kind }) => isProof(kind)).length
  noteCodes(claims, changes)
  openSessions(world, opened, holders, spent)
  for (const claim of claims) {
    if (claim.rule.always || taken.has(claim)) leave(world, claim, after)
  }
  for (const change of changes) {
    if (change.kind === 'session ended') world.sessions.delete(change.session.uid)
  }
}

/** Whether the change is the use of a second factor. */
const isProof = (kind: Change['kind']) => kind.endsWith('code spent') || kind === 'passkey used'

const inShort = (shown: Shown[]) =>
  shown.map(({ browser, path, session, signIn, binding }) => ({
    browser: browser.name,
    path,
    binding,
    session: session && { ...session, browser: session.browser.name, person: session.person.name },
    signIn: signIn && { ...signIn, browser: signIn.browser.name, person: signIn.person?.name },
  }))

/** A sign-in replaces the session of its browser; a session may get another handle in its own browser. */
function isReplaced(world: World, change: Change, opened: number, holders: Holder[]): boolean {
  if (change.kind !== 'session ended' && change.kind !== 'session moved') return false
  const { uid, handle } = change.session
  const holder = holders.find(({ browser }) => browser === world.sessions.get(uid)?.browser)
  if (change.kind === 'session moved') return holder?.handles.has(handle) ?? false
  return holder !== undefined && opened > 0
}

/** A right password counts in a sign-in of this browser, unless the account is locked. */
function notePassword(shown: Shown): void {
  const { signIn, meant, fields, path, browser } = shown
  if (!path.endsWith('/login') || !signIn || !meant || !isOwn(shown)) return
  const isLocked = nowInSeconds() < meant.lockedUntil && !browser.knownTo.has(meant)
  if (fields['password'] !== meant.password) meant.wrong++
  if (fields['password'] !== meant.password || isLocked) return
  if (meant.isOneTime) signIn.mustChoose = meant
  else provePassword(signIn, meant)
}

function provePassword(signIn: SignIn, person: Person): void {
  const passwordAt = nowInSeconds()
  const needsCode = hasFactor(person)
  Object.assign(signIn, { person, epoch: person.epoch, passwordAt, needsCode })
  delete signIn.codeAt
  delete signIn.mustChoose
}

/** An accepted code counts for the sign-in it was submitted in. */
function noteCodes(claims: Claim[], changes: Change[]): void {
  for (const { shown, rule, subject } of claims) {
    const isTaken = changes.some(
      ({ kind, account }) =>
        account === subject.id &&
        (isProof(kind) || kind === 'app added') &&
        rule.may.some((allowed) => allowed === kind),
    )
    if (isTaken && shown.signIn) shown.signIn.codeAt = nowInSeconds()
  }
}

/** Time of the last proof. */
const provenAt = ({ passwordAt = 0, codeAt }: SignIn) => codeAt ?? passwordAt

/** Each new session takes a complete sign-in of its browser, used once, and is no stronger or more recent than it. */
function openSessions(
  world: World,
  opened: SessionChange[],
  holders: Holder[],
  spent: number,
): void {
  let withCode = 0
  for (const { account, session } of opened) {
    const holder = holders.find(({ handles }) => handles.has(session.handle))
    const person = personWith(world, account)
    // The latest that fits.
    const signIn = [...world.signIns.values()]
      .filter((one) => one.browser === holder?.browser && one.person === person && isComplete(one))
      .toSorted((one, other) => provenAt(other) - provenAt(one))[0]
    const about = { session, person: person.name, browser: holder?.browser.name }
    if (!holder || !signIn) return fail('a session without a complete sign-in:', about)
    const { codeAt } = signIn
    const isStrong = session.acr === multiFactor
    if (isStrong && codeAt === undefined) fail('a session says more than was shown:', about)
    if (codeAt === nowInSeconds()) withCode++
    const at = provenAt(signIn)
    if (session.at > at + 1) fail('a session seems fresher than its sign-in:', { ...about, at })
    signIn.isOver = true
    holder.browser.knownTo.add(person)
    person.wrong = 0
    person.lockedUntil = 0
    const level = isStrong ? 'two factors' : 'password'
    const { browser } = holder
    world.sessions.set(session.uid, { uid: session.uid, browser, person, level, at })
  }
  // More sessions than used codes: one code opened two. A new app is proven by its own code.
  if (withCode > Math.max(spent, 1))
    fail('one code opened more than one session:', { withCode, spent })
  forgetUnused(world, holders)
}

/** Of several forms with one code at once, those that were refused have proven nothing. */
function forgetUnused(world: World, holders: Holder[]): void {
  if (holders.length < 2) return
  for (const signIn of world.signIns.values()) {
    if (!signIn.isOver && signIn.codeAt === nowInSeconds()) delete signIn.codeAt
  }
}

/** Updates the model after an allowed change. */
function learn(world: World, change: Change, { shown, subject }: Claim): void {
  const { fields } = shown
  switch (change.kind) {
    case 'password':
      subject.formerPasswords.push(subject.password)
      subject.password = fields['new_password'] ?? ''
      subject.version++
      subject.isOneTime = false
      if (shown.signIn) provePassword(shown.signIn, subject)
      break
    case 'address': {
      const link = world.links.find(({ hash }) => hash === hashOf(fields['token'] ?? ''))
      if (link?.address !== change.to) fail('another address than the one that was proven:', change)
      subject.address = change.to
      subject.version++
      break
    }
    case 'app added': {
      const secret = world.keys.get(shown.signIn?.uid ?? shown.session?.uid ?? '') ?? ''
      subject.apps.set(change.factor, {
        secret,
        lastStep: stepOf(secret, fields['otp'] ?? '') ?? 0,
      })
      world.usedCodes.push(fields['otp'] ?? '')
      break
    }
    case 'app removed':
      subject.apps.delete(change.factor)
      break
    case 'passkey added':
    case 'passkey used': {
      const fault = learnPasskey(world, shown, subject, change)
      if (fault !== undefined) fail(`${change.kind}, but ${fault} was shown:`, change)
      // Alone, a passkey completes a sign-in; a new one must still be shown.
      if (shown.signIn && shown.path.endsWith('/passkey')) provePassword(shown.signIn, subject)
      if (shown.signIn && change.kind === 'passkey added') shown.signIn.needsCode = true
      break
    }
    case 'passkey removed':
      subject.passkeys.delete(change.factor)
      break
    case 'app code spent': {
      const code = codeFor(subject, shown)
      if (code?.factor !== change.factor || code.step !== change.step) {
        fail('another code was spent than was typed:', { change, code })
      }
      const app = subject.apps.get(change.factor)
      if (app) app.lastStep = change.step
      world.usedCodes.push(fields['otp'] ?? '')
      break
    }
    case 'recovery code spent': {
      const { recovery } = codeFor(subject, shown) ?? {}
      if (recovery === undefined) return fail('another code was spent than was typed:', change)
      subject.recoveryCodes = subject.recoveryCodes.filter((code) => code !== recovery)
      world.usedCodes.push(recovery)
      break
    }
    case 'recovery codes replaced':
      subject.recoveryCodes = []
      break
    default:
  }
}

/** Checks that the sessions a rule ends are gone, and ends sign-ins in progress. */
function leave(world: World, { rule, shown, subject }: Claim, after: Seen): void {
  const { fields, session } = shown
  const wanted = fields['others'] === 'end' || fields['end_others'] === 'yes'
  const aftermath = rule.leaves ?? (wanted ? 'no other session' : undefined)
  if (aftermath === undefined) return
  const left = after.sessions.filter(({ account, uid }) => {
    if (account !== subject.id || !world.sessions.has(uid)) return false
    if (aftermath === 'not this session') return uid === session?.uid
    return aftermath === 'no session' || uid !== session?.uid
  })
  if (left.length > 0) fail(`expected ${aftermath} of ${subject.name}, still there:`, { left })
  if (aftermath !== 'not this session') subject.epoch++
}
