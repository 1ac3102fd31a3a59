import type Router from '@koa/router'
import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import type { Kept } from '../factors/factors.ts'
import { qrCode } from '../factors/qr-code.ts'
import { type FactorKind, mostFactors } from '../factors/second-factor.ts'
import { newTotpSecret, totpUri } from '../factors/totp.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { pictureOfOurs } from '../http/headers.ts'
import { readForm } from '../http/parameters.ts'
import {
  factorsPage,
  type NewFactorView,
  newFactorPage,
  recoveryCodesPage,
} from '../interaction/pages/factors.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import { present } from '../present.ts'
import { hashOf } from '../secrets/handle.ts'
import { type Desk, formOf, ownerAt } from './desk.ts'
import { emailCodesMethods, emailCodesRoutes } from './email-codes.routes.ts'
import { passkeyMethods, passkeyRoutes } from './passkey.routes.ts'
import { lacksStep } from './proof.ts'

const root = '/account/factors'

export const factorMethods = {
  ...emailCodesMethods,
  [root]: ['GET', 'HEAD'],
  [`${root}/new`]: ['GET', 'HEAD', 'POST'],
  [`${root}/new/qr.svg`]: ['GET', 'HEAD'],
  [`${root}/new/confirm`]: ['POST'],
  ...passkeyMethods,
  [`${root}/codes`]: ['POST'],
  [`${root}/:id/rename`]: ['POST'],
  [`${root}/:id/remove`]: ['POST'],
}

/** Seconds that a sign-in counts as proof for changes (ASVS 7.5.1). */
const freshFor = 300
/** Seconds to set up an app in. */
const setUpTtl = 600

/**
 * The second factors of whoever is signed in:
 *
 * | state      | event                                               | next                              |
 * |------------|-----------------------------------------------------|-----------------------------------|
 * | any        | nobody is signed in                                 | sign-in, then the list            |
 * | any        | signed in over five minutes ago, or without the     | sign-in once more, then the list; |
 * |            | second factor that there is                         | nothing was changed               |
 * | list       | add                                                 | set up, with a new key            |
 * | list       | rename, remove                                      | list                              |
 * | list       | remove the last, where the tenant requires one      | list, with the reason             |
 * | list       | make codes                                          | codes, shown once                 |
 * | set up     | wrong code, or a passkey that does not answer       | set up, with the reason           |
 * | set up     | right code, or a passkey that a browser made        | codes for the first, else list    |
 * | set up     | time is over, another sign-in                       | list                              |
 *
 * @param signIn where a person signs in, to come back here; once more, even if somebody is signed in
 */
export function factorRoutes(
  router: Router,
  parts: PageParts,
  desk: Desk,
  signIn: (ctx: Context, onceMore: boolean) => string,
): void {
  const { tenant, config, clock, csrf, limiter, session, revocations, factors, pageContext } = parts
  const { sealer, shortLived } = parts
  const emailCodesOf = emailCodesRoutes(router, parts, desk)
  const bindingOf = (uid: string) => `factors ${uid}`
  const keyOf = (uid: string) => ({ tenant, model: 'FactorSetUp', id: hashOf(uid) })
  const purpose = (uid: string) => `factor-set-up:${tenant}:${hashOf(uid)}`

  /** Whoever changes something, and the language to be told in. */
  const owner = (ctx: Context) => ({
    ...ownerAt(ctx),
    language: pageContext(ctx).messages.locale,
  })
  const toList = (ctx: Context) => seeOther(ctx, ownAddress(pageContext(ctx), root))
  /** Whoever has just shown all that a sign-in takes now; anybody else is led there. */
  async function proven(ctx: Context): Promise<SignedIn | undefined> {
    const found = await session.find(ctx)
    const isFresh = found && clock.seconds() - found.signedInAt <= freshFor
    if (isFresh && !(await lacksStep(parts, found))) return found
    seeOther(ctx, signIn(ctx, found !== undefined))
    return undefined
  }

  /** The same for a form, which must be one of ours. */
  async function asked(ctx: Context) {
    const form = await readForm(ctx, config.bodyLimit)
    const found = await proven(ctx)
    if (found) {
      csrf.check(ctx, bindingOf(found.uid), form['csrf'])
      await limiter.take(tenant, formOf(found))
    }
    return found && { ...found, form }
  }

  /** ASVS 7.4.3: only when the owner wants it. */
  async function endOthers(ctx: Context, { account, uid }: SignedIn, wanted: string | undefined) {
    if (wanted === 'yes') await revocations.logOutOthers(account, uid, ownerAt(ctx))
  }

  async function secretOf(uid: string): Promise<string | undefined> {
    const stored = (await shortLived.get(keyOf(uid))) as { sealed: string } | undefined
    return stored && sealer.artifacts.open(purpose(uid), stored.sealed)
  }

  function showSetUp(
    ctx: Context,
    uid: string,
    secret: string,
    again: Pick<NewFactorView, 'error' | 'name'> = {},
  ): void {
    const page = pageContext(ctx)
    const view: NewFactorView = {
      action: ownAddress(page, `${root}/new/confirm`),
      csrf: csrf.token(bindingOf(uid)),
      qrUrl: `${parts.basePath}${root}/new/qr.svg`,
      secret,
      back: { href: ownAddress(page, root) },
      ...again,
    }
    showPage(ctx, newFactorPage(page, view), again.error === undefined ? 200 : 400)
  }

  function showCodes(ctx: Context, codes: readonly string[], next: string): void {
    const page = pageContext(ctx)
    showPage(ctx, recoveryCodesPage(page, { codes, done: { href: ownAddress(page, next) } }))
  }

  async function showList(ctx: Context, found: SignedIn, kept?: Kept): Promise<void> {
    const page = pageContext(ctx)
    const known = await factors.list(tenant, found.account.id)
    const emailCodes = await emailCodesOf(ctx, found)
    const mayAdd = (kind: FactorKind) =>
      known.filter((factor) => factor.kind === kind).length < mostFactors[kind]
    const view = {
      ...desk.frame(ctx, found),
      csrf: csrf.token(bindingOf(found.uid)),
      factors: known.map((factor) => ({
        ...factor,
        rename: ownAddress(page, `${root}/${factor.id}/rename`),
        remove: ownAddress(page, `${root}/${factor.id}/remove`),
      })),
      codesLeft: await factors.codesLeft(tenant, found.account.id),
      ...(mayAdd('totp') ? { add: { action: ownAddress(page, `${root}/new`) } } : {}),
      full: !mayAdd('totp') || !mayAdd('passkey'),
      ...(factors.passkeys.isPossible && mayAdd('passkey')
        ? { addPasskey: { href: ownAddress(page, `${root}/passkey`) } }
        : {}),
      makeCodes: { action: ownAddress(page, `${root}/codes`) },
      ...present({ kept, emailCodes }),
      changePassword: { href: ownAddress(page, '/account/password') },
    }
    showPage(ctx, factorsPage(page, view), kept === undefined ? 200 : 409)
  }

  passkeyRoutes(router, parts, { bindingOf, proven, asked, endOthers, showCodes, toList })

  router.get(root, async (ctx) => {
    const found = await proven(ctx)
    if (found) await showList(ctx, found)
  })

  router.post(`${root}/new`, async (ctx) => {
    const found = await asked(ctx)
    if (!found) return
    const sealed = sealer.artifacts.seal(purpose(found.uid), newTotpSecret())
    await shortLived.put(keyOf(found.uid), { sealed }, setUpTtl)
    seeOther(ctx, ownAddress(pageContext(ctx), `${root}/new`))
  })

  router.get(`${root}/new`, async (ctx) => {
    const found = await proven(ctx)
    if (!found) return
    const secret = await secretOf(found.uid)
    if (secret === undefined) return toList(ctx)
    showSetUp(ctx, found.uid, secret)
  })

  router.get(`${root}/new/qr.svg`, async (ctx) => {
    const found = await session.find(ctx)
    const secret = found && (await secretOf(found.uid))
    if (!secret) throw new DomainError('not_found', { detail: 'no authenticator is being set up' })
    ctx.set(pictureOfOurs)
    ctx.body = qrCode(totpUri(secret, found.account.email, pageContext(ctx).theme.name))
  })

  router.post(`${root}/new/confirm`, async (ctx) => {
    const found = await asked(ctx)
    if (!found) return
    const secret = await secretOf(found.uid)
    if (secret === undefined) return toList(ctx)
    const { name = '', otp = '', end_others: others } = found.form
    const app = { secret, name, code: otp, onlyFirst: !found.withSecondFactor }
    const added = await factors.add(tenant, found.account.id, app, owner(ctx))
    if (added === 'wrong') return showSetUp(ctx, found.uid, secret, { error: 'wrong', name })
    await shortLived.delete(keyOf(found.uid))
    // Known to whoever sent the form twice at once.
    if (typeof added === 'string') return toList(ctx)
    await endOthers(ctx, found, others)
    // The list would ask for the new factor at once.
    if (added.recoveryCodes) showCodes(ctx, added.recoveryCodes, '/account')
    else toList(ctx)
  })

  router.post(`${root}/codes`, async (ctx) => {
    const found = await asked(ctx)
    if (!found) return
    const codes = await factors.makeCodes(tenant, found.account.id, owner(ctx))
    if (codes.length > 0) showCodes(ctx, codes, root)
    else toList(ctx)
  })

  router.post(`${root}/:id/rename`, async (ctx) => {
    const found = await asked(ctx)
    if (!found) return
    const id = ctx.params['id'] as string
    await factors.rename(tenant, found.account.id, id, found.form['name'] ?? '', ownerAt(ctx))
    toList(ctx)
  })

  router.post(`${root}/:id/remove`, async (ctx) => {
    const found = await asked(ctx)
    if (!found) return
    const id = ctx.params['id'] as string
    const removed = await factors.remove(tenant, found.account.id, id, owner(ctx))
    if (typeof removed === 'string') return showList(ctx, found, removed)
    if (removed) await endOthers(ctx, found, found.form['end_others'])
    toList(ctx)
  })
}
