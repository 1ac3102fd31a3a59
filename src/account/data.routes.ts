import type Router from '@koa/router'
import type { Context } from 'koa'
import { type Account, identifierKey } from '../accounts/account.ts'
import { knownDevice } from '../families/device.ts'
import { accountDeletedPage, type DataFault, dataPage } from '../interaction/pages/account-data.ts'
import { historyEvents } from '../interaction/pages/account-history.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import type { Desk } from './desk.ts'

export const dataMethods = {
  '/account/data': ['GET', 'HEAD'],
  '/account/data/download': ['GET', 'HEAD', 'POST'],
  '/account/data/delete': ['GET', 'HEAD', 'POST'],
}

/** Most events in a download; few accounts have more within the retention time. */
const mostEvents = 10_000

/** Downloads the stored data of an account; deletes the account. Both require a recent sign-in. */
export function dataRoutes(router: Router, parts: PageParts, desk: Desk) {
  const {
    tenant,
    database,
    sessions,
    families,
    grants,
    factors,
    places,
    mailedCodes,
    audit,
    mail,
    revocations,
    session,
    pageContext,
  } = parts

  function show(ctx: Context, owner: SignedIn, error?: DataFault) {
    const page = pageContext(ctx)
    const view = {
      ...desk.frame(ctx, owner),
      download: ownAddress(page, '/account/data/download'),
      delete: ownAddress(page, '/account/data/delete'),
      email: owner.account.email,
      ...(error ? { error } : {}),
    }
    desk.show(ctx, dataPage(page, view), error === undefined ? 200 : 400)
  }

  /** Contains no handle, hash or secret. */
  async function dataOf(account: Account) {
    const { id: accountId, email, emailVerified, username, name, roles } = account
    const types = historyEvents
    const allowed = await grants.list(tenant, { accountId })
    const held = await families.list(tenant, { accountId })
    const events = await audit.ofAccount(tenant, accountId, { types, limit: mostEvents })
    const signedIn = await sessions.list(tenant, accountId)
    const known = await places.list(tenant, accountId)
    const second = await factors.list(tenant, accountId)
    const codesSince = await mailedCodes.since(tenant, accountId)
    return {
      profile: { sub: accountId, email, email_verified: emailVerified, username, name, roles },
      second_factors: second.map(({ kind, name: called, createdAt, lastUsedAt, backedUp }) => ({
        kind,
        name: called,
        added_at: rfc3339(createdAt),
        ...present({ backed_up: backedUp, last_used_at: rfc3339(lastUsedAt) }),
      })),
      ...present({ email_codes_since: rfc3339(codesSince) }),
      sessions: signedIn.map((one) => ({
        ...present({ signed_in_at: rfc3339(one.signedInAt) }),
        signed_in_from: one.signedInFrom.ip,
        last_used_at: rfc3339(one.lastUsedAt),
        last_used_from: one.lastUsedFrom.ip,
        user_agent: one.lastUsedFrom.userAgent,
        clients: one.clientIds,
      })),
      places: known.map(({ kind, place, visits, firstAt, lastAt }) => ({
        [kind]: place,
        sign_ins: visits,
        first_at: rfc3339(firstAt),
        last_at: rfc3339(lastAt),
      })),
      applications: allowed.map((grant) => ({
        client_id: grant.clientId,
        scopes: grant.scopes,
        claims: grant.openidClaims,
        allowed_at: rfc3339(grant.createdAt),
        changed_at: rfc3339(grant.updatedAt),
      })),
      devices: held.map((family) => ({
        client_id: family.clientId,
        allowed_at: rfc3339(family.createdAt),
        allowed_from: family.allowedFrom.ip,
        user_agent: family.allowedFrom.userAgent,
        last_used_at: rfc3339(family.lastUsedAt),
        ...present({ ended_at: rfc3339(family.endedAt) }),
        ended_reason: family.endedReason,
      })),
      history: events.map(({ at, type, clientId, ip, userAgent, detail }) => ({
        at: rfc3339(at),
        type,
        client_id: clientId,
        ip,
        user_agent: userAgent,
        count: detail?.['count'],
        new_device: detail?.['new_device'],
        new_network: detail?.['new_network'],
        country: detail?.['country'],
        new_country: detail?.['new_country'],
      })),
    }
  }

  router.get('/account/data', async (ctx) => {
    const owner = await desk.owner(ctx, 'data', true)
    if (owner) show(ctx, owner)
  })

  const toForms = (ctx: Context) => desk.goTo(ctx, 'data')
  router.get('/account/data/download', toForms)
  router.get('/account/data/delete', toForms)

  router.post('/account/data/download', async (ctx) => {
    const sent = await desk.posted(ctx, 'data', true)
    if (!sent) return
    const { account } = sent.owner
    const data = await dataOf(account)
    const { ip, userAgent } = sent.actor
    const { locale: language, account: words } = pageContext(ctx).messages
    const { id: accountId, email: to, emailVerified } = account
    const device = knownDevice(userAgent, words.device)
    await database.transaction(async () => {
      // An unverified address may be a stranger's, who must not learn who is signed in from where.
      if (emailVerified)
        await mail.send(tenant, { kind: 'data_downloaded', accountId, language, to, ip, device })
      await audit.record(tenant, { type: 'account.data_downloaded', accountId, ip, userAgent })
    })
    ctx.attachment('account.json')
    ctx.type = 'json'
    ctx.body = JSON.stringify(data, null, 2)
  })

  router.post('/account/data/delete', async (ctx) => {
    const sent = await desk.posted(ctx, 'data', true)
    if (!sent) return
    const { owner, form, actor } = sent
    if (identifierKey(form['address'] ?? '') !== identifierKey(owner.account.email)) {
      return show(ctx, owner, 'address')
    }
    const { locale: language } = pageContext(ctx).messages
    if (!(await revocations.deleteAccount(owner.account, { ...actor, language }))) {
      return show(ctx, owner, 'last_operator')
    }
    await session.signOut(ctx)
    ctx.set('Clear-Site-Data', '"cache"')
    desk.show(ctx, accountDeletedPage(pageContext(ctx)))
  })
}
