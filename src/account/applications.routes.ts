import type Router from '@koa/router'
import type { AuditEvent } from '../audit/audit.ts'
import { checkedMetadata, logoOf } from '../clients/client.ts'
import { findings } from '../families/unusual.ts'
import type { ListedGrant } from '../grants/grant.ts'
import { describeGrant } from '../interaction/access.ts'
import {
  type ApplicationLine,
  applicationsPage,
} from '../interaction/pages/account-applications.ts'
import { ownAddress, type PageContext } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import { present } from '../present.ts'
import { type Desk, notTheirs } from './desk.ts'

export const applicationMethods = {
  '/account/applications': ['GET', 'HEAD'],
  '/account/applications/:id/logo': ['GET', 'HEAD'],
  '/account/applications/:id/end': ['GET', 'HEAD', 'POST'],
}

/** Milliseconds that an unusual event is shown. */
const notesShown = 30 * 24 * 3600 * 1000
const mostNotes = 200

/** Shows what applications may do, and revokes it (ASVS 10.4.9, 10.7.3). An application is identified by its grant. */
export function applicationRoutes(router: Router, parts: PageParts, desk: Desk) {
  const { tenant, clock, audit, clients, grants, families, revocations, pageContext } = parts

  /** Only the name of a disabled client is shown. */
  async function clientOf(clientId: string) {
    const client = await clients.find(tenant, clientId)
    return { metadata: client && checkedMetadata(client).data, logo: client && logoOf(client) }
  }

  /** Recent unusual events, newest first: a few per application at most, as each is recorded once a day. */
  async function unusual(accountId: string) {
    const found = await audit.ofAccount(tenant, accountId, { types: findings, limit: mostNotes })
    return found.filter(({ at }) => at > clock.now() - notesShown)
  }

  /** The last event of each kind since the application was allowed. */
  function notesOn(
    { clientId, createdAt }: ListedGrant,
    events: ReadonlyArray<AuditEvent & { at: number }>,
  ) {
    const own = events.filter((event) => event.clientId === clientId && event.at >= createdAt)
    return findings.flatMap((finding) => {
      const last = own.find(({ type }) => type === finding)
      return last ? [{ finding, seen: { at: last.at, ...(last.ip ? { ip: last.ip } : {}) } }] : []
    })
  }

  async function line(
    page: PageContext,
    grant: ListedGrant,
    noted: Awaited<ReturnType<typeof unusual>>,
  ): Promise<ApplicationLine> {
    const { id, accountId, clientId, createdAt, updatedAt } = grant
    const { metadata: client, logo } = await clientOf(clientId)
    const alive = await families.list(tenant, { accountId, clientId, live: true })
    const path = `/account/applications/${id}`
    return {
      end: ownAddress(page, `${path}/end`),
      name: client?.client_name ?? clientId,
      clientId,
      ...present({ uri: client?.client_uri }),
      ...(logo === undefined ? {} : { logoUrl: ownAddress(page, `${path}/logo`) }),
      access: await describeGrant(parts, grant, page.messages),
      since: createdAt,
      lastUsed: Math.max(updatedAt, ...alive.map(({ lastUsedAt }) => lastUsedAt)),
      devices: alive.length,
      notes: notesOn(grant, noted),
    }
  }

  /** @throws DomainError `not_found` when there is none, or it belongs to another account */
  async function ownGrant(id: string, accountId: string) {
    const grant = await grants.find(tenant, id)
    if (grant?.accountId !== accountId) throw notTheirs('application')
    return grant
  }

  router.get('/account/applications', async (ctx) => {
    const owner = await desk.owner(ctx, 'applications')
    if (!owner) return
    const page = pageContext(ctx)
    const allowed = await grants.list(tenant, { accountId: owner.account.id })
    const noted = await unusual(owner.account.id)
    const applications = await Promise.all(allowed.map((grant) => line(page, grant, noted)))
    desk.show(ctx, applicationsPage(page, { ...desk.frame(ctx, owner), applications }))
  })

  router.get('/account/applications/:id/logo', async (ctx) => {
    const owner = await desk.owner(ctx, 'applications')
    if (!owner) return
    const { clientId } = await ownGrant(ctx.params['id'] as string, owner.account.id)
    await parts.showLogo(ctx, (await clientOf(clientId)).logo)
  })

  router.get('/account/applications/:id/end', (ctx) => desk.goTo(ctx, 'applications'))

  router.post('/account/applications/:id/end', async (ctx) => {
    const sent = await desk.posted(ctx, 'applications')
    if (!sent) return
    const accountId = sent.owner.account.id
    const { clientId } = await ownGrant(ctx.params['id'] as string, accountId)
    await revocations.revokeGrant(tenant, accountId, clientId, sent.actor)
    desk.goTo(ctx, 'applications', 'taken-back')
  })
}
