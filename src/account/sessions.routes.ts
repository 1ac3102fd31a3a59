import type Router from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { FamilyView } from '../families/family.ts'
import type { Presenter } from '../families/replay.ts'
import type { Seen } from '../interaction/pages/account-parts.ts'
import {
  type DeviceLine,
  type SessionLine,
  sessionsPage,
} from '../interaction/pages/account-sessions.ts'
import { ownAddress, type PageContext } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import { present } from '../present.ts'
import type { ListedSession } from '../sessions/session.ts'
import { type Desk, notTheirs } from './desk.ts'

export const sessionMethods = {
  '/account/sessions': ['GET', 'HEAD'],
  '/account/sessions/:id/end': ['GET', 'HEAD', 'POST'],
  '/account/devices/:id/end': ['GET', 'HEAD', 'POST'],
  '/account/sign-out-elsewhere': ['GET', 'HEAD', 'POST'],
}

const seen = (at: number, { ip }: Presenter): Seen => ({ at, ...present({ ip }) })
const programOf = ({ userAgent }: Presenter) => (userAgent === undefined ? {} : { userAgent })

/** Shows where a person is signed in and which tokens applications hold, and ends them (ASVS 7.5.2). */
export function sessionRoutes(router: Router, parts: PageParts, desk: Desk) {
  const { tenant, sessions, families, revocations, pageContext } = parts
  const nameOf = async (clientId: string) => (await parts.clientName(clientId)) ?? clientId

  async function sessionLine(page: PageContext, session: ListedSession, isThis: boolean) {
    const { uid, signedInAt, signedInFrom, lastUsedAt, lastUsedFrom, clientIds } = session
    const line: SessionLine = {
      ...(isThis ? {} : { end: ownAddress(page, `/account/sessions/${uid}/end`) }),
      ...programOf(lastUsedFrom),
      ...(signedInAt === undefined ? {} : { signedIn: seen(signedInAt, signedInFrom) }),
      lastUsed: seen(lastUsedAt, lastUsedFrom),
      applications: await Promise.all(clientIds.map(nameOf)),
    }
    return line
  }

  async function deviceLine(page: PageContext, family: FamilyView): Promise<DeviceLine> {
    const { id, clientId, createdAt, lastUsedAt, allowedFrom } = family
    return {
      end: ownAddress(page, `/account/devices/${id}/end`),
      application: await nameOf(clientId),
      ...programOf(allowedFrom),
      allowed: seen(createdAt, allowedFrom),
      lastUsed: { at: lastUsedAt },
    }
  }

  /** The devices of one application, or of all. */
  async function devices(ctx: Context, { id: accountId }: Account, clientId?: string) {
    const page = pageContext(ctx)
    const alive = await families.list(tenant, { accountId, clientId, live: true })
    return Promise.all(alive.map((family) => deviceLine(page, family)))
  }

  router.get('/account/sessions', async (ctx) => {
    const owner = await desk.owner(ctx, 'sessions')
    if (!owner) return
    const page = pageContext(ctx)
    const found = await sessions.list(tenant, owner.account.id)
    const isThis = ({ uid }: ListedSession) => uid === owner.uid
    const ordered = [...found.filter(isThis), ...found.filter((one) => !isThis(one))]
    desk.show(
      ctx,
      sessionsPage(page, {
        ...desk.frame(ctx, owner),
        sessions: await Promise.all(ordered.map((one) => sessionLine(page, one, isThis(one)))),
        devices: await devices(ctx, owner.account),
        endOthers: ownAddress(page, '/account/sign-out-elsewhere'),
      }),
    )
  })

  const toList = (ctx: Context) => desk.goTo(ctx, 'sessions')
  router.get('/account/sessions/:id/end', toList)
  router.get('/account/devices/:id/end', toList)
  router.get('/account/sign-out-elsewhere', toList)

  router.post('/account/sessions/:id/end', async (ctx) => {
    const sent = await desk.posted(ctx, 'sessions')
    if (!sent) return
    const { owner, actor } = sent
    const id = ctx.params['id'] as string
    if (!(await revocations.endSession(tenant, id, actor, owner.account.id))) {
      throw notTheirs('session')
    }
    desk.goTo(ctx, 'sessions', 'ended')
  })

  router.post('/account/devices/:id/end', async (ctx) => {
    const sent = await desk.posted(ctx, 'sessions')
    if (!sent) return
    const accountId = sent.owner.account.id
    const id = ctx.params['id'] as string
    // A family always belongs to the same account.
    const [family] = await families.list(tenant, { accountId, id, live: true })
    if (!family) throw notTheirs('device')
    await families.end(tenant, family.id, 'owner')
    desk.goTo(ctx, 'sessions', 'ended')
  })

  router.post('/account/sign-out-elsewhere', async (ctx) => {
    const sent = await desk.posted(ctx, 'sessions')
    if (!sent) return
    await revocations.logOutOthers(sent.owner.account, sent.owner.uid, sent.actor)
    desk.goTo(ctx, 'sessions', 'others-ended')
  })
}
