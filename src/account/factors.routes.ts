import type Router from '@koa/router'
import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import type { Kept } from '../factors/factors.ts'
import { qrCode } from '../factors/qr-code.ts'
import { type FactorKind, mostFactors } from '../factors/second-factor.ts'
import { newTotpSecret, totpUri } from '../factors/totp.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { pictureOfOurs } from '../http/headers.ts'
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
import { type Desk, ownerAt } from './desk.ts'
import { emailCodesMethods, emailCodesRoutes } from './email-codes.routes.ts'
import { passkeyMethods, passkeyRoutes } from './passkey.routes.ts'

const root = '/account/factors'

export const factorMethods = {
  ...emailCodesMethods,
  [root]: ['GET', 'HEAD'],
  [`${root}/new`]: ['GET', 'HEAD', 'POST'],
  [`${root}/new/qr.svg`]: ['GET', 'HEAD'],
  [`${root}/new/confirm`]: ['GET', 'HEAD', 'POST'],
  ...passkeyMethods,
  [`${root}/codes`]: ['GET', 'HEAD', 'POST'],
  [`${root}/:id/rename`]: ['GET', 'HEAD', 'POST'],
  [`${root}/:id/remove`]: ['GET', 'HEAD', 'POST'],
}

/** Seconds to set up an app. */
const setUpTtl = 600

/**
 * Managing the second factors of the signed-in user:
 *
 * | state  | event                                           | next                              |
 * |--------|-------------------------------------------------|-----------------------------------|
 * | any    | no one is signed in                             | sign-in, then the list            |
 * | any    | signed in over five minutes ago, or without the | sign-in again, then the list;     |
 * |        | second factor of the account                    | nothing was changed               |
 * | list   | add                                             | set up, with a new key            |
 * | list   | rename, remove                                  | list                              |
 * | list   | remove the last, where the tenant requires one  | list, with the reason             |
 * | list   | make codes                                      | codes, shown once                 |
 * | set up | wrong code, or a passkey that does not answer   | set up, with the reason           |
 * | set up | right code, or a passkey that a browser made    | codes for the first, else list    |
 * | set up | expired, another sign-in                        | list                              |
 */
export function factorRoutes(router: Router, parts: PageParts, desk: Desk): void {
  const { tenant, csrf, session, revocations, factors, sealer, shortLived, pageContext } = parts
  const emailCodesOf = emailCodesRoutes(router, parts, desk)
  const keyOf = (uid: string) => ({ tenant, model: 'FactorSetUp', id: hashOf(uid) })
  const purpose = (uid: string) => `factor-set-up:${tenant}:${hashOf(uid)}`

  /** The person who changes something, and the language of notices. */
  const owner = (ctx: Context) => ({
    ...ownerAt(ctx),
    language: pageContext(ctx).messages.locale,
  })
  const toList = (ctx: Context) => seeOther(ctx, ownAddress(pageContext(ctx), root))
  const toSetUp = (ctx: Context) => seeOther(ctx, ownAddress(pageContext(ctx), `${root}/new`))
  /** Ends other sessions if the owner wants it (ASVS 7.4.3). */
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
      csrf: csrf.token(uid),
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

  passkeyRoutes(router, parts, desk, { endOthers, showCodes, toList })

  router.get(root, async (ctx) => {
    const found = await desk.owner(ctx, 'factors', true)
    if (found) await showList(ctx, found)
  })

  router.post(`${root}/new`, async (ctx) => {
    const sent = await desk.posted(ctx, 'factors', true)
    if (!sent) return
    const found = sent.owner
    const sealed = sealer.artifacts.seal(purpose(found.uid), newTotpSecret())
    await shortLived.put(keyOf(found.uid), { sealed }, setUpTtl)
    toSetUp(ctx)
  })

  router.get(`${root}/new`, async (ctx) => {
    const found = await desk.owner(ctx, 'factors', true)
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

  router.get(`${root}/new/confirm`, toSetUp)
  router.get(`${root}/codes`, toList)
  router.get(`${root}/:id/rename`, toList)
  router.get(`${root}/:id/remove`, toList)

  router.post(`${root}/new/confirm`, async (ctx) => {
    const sent = await desk.posted(ctx, 'factors', true)
    if (!sent) return
    const { owner: found, form } = sent
    const secret = await secretOf(found.uid)
    if (secret === undefined) return toList(ctx)
    const { name = '', otp = '', end_others: others } = form
    const app = { secret, name, code: otp, onlyFirst: !found.withSecondFactor }
    const added = await factors.add(tenant, found.account.id, app, owner(ctx))
    if (added === 'wrong') return showSetUp(ctx, found.uid, secret, { error: 'wrong', name })
    await shortLived.delete(keyOf(found.uid))
    // The form was sent twice at once; the first one added it.
    if (typeof added === 'string') return toList(ctx)
    await endOthers(ctx, found, others)
    // The list would at once require the new factor.
    if (added.recoveryCodes) showCodes(ctx, added.recoveryCodes, '/account')
    else toList(ctx)
  })

  router.post(`${root}/codes`, async (ctx) => {
    const sent = await desk.posted(ctx, 'factors', true)
    if (!sent) return
    const found = sent.owner
    const codes = await factors.makeCodes(tenant, found.account.id, owner(ctx))
    if (codes.length > 0) showCodes(ctx, codes, root)
    else toList(ctx)
  })

  router.post(`${root}/:id/rename`, async (ctx) => {
    const sent = await desk.posted(ctx, 'factors', true)
    if (!sent) return
    const { owner: found, form } = sent
    const id = ctx.params['id'] as string
    await factors.rename(tenant, found.account.id, id, form['name'] ?? '', ownerAt(ctx))
    toList(ctx)
  })

  router.post(`${root}/:id/remove`, async (ctx) => {
    const sent = await desk.posted(ctx, 'factors', true)
    if (!sent) return
    const { owner: found, form } = sent
    const id = ctx.params['id'] as string
    const removed = await factors.remove(tenant, found.account.id, id, owner(ctx))
    if (typeof removed === 'string') return showList(ctx, found, removed)
    if (removed) await endOthers(ctx, found, form['end_others'])
    toList(ctx)
  })
}
