import type Router from '@koa/router'
import type { AuditEvent, AuditPlace } from '../audit/audit.ts'
import { DomainError } from '../errors.ts'
import {
  type HistoryEvent,
  type HistoryLine,
  historyEvents,
  historyMarks,
  historyPage,
} from '../interaction/pages/account-history.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import { present } from '../present.ts'
import { equalInConstantTime } from '../secrets/handle.ts'
import type { Desk } from './desk.ts'

export const historyMethods = { '/account/history': ['GET', 'HEAD'] }

/** Events on a page. */
const pageSize = 20

/** The audit events of an account, page by page. */
export function historyRoutes(router: Router, parts: PageParts, desk: Desk) {
  const { tenant, audit, sealer, pageContext, clientName } = parts

  const macOf = (accountId: string, at: string, id: string) =>
    sealer.mac('account-history', JSON.stringify([tenant, accountId, at, id]))

  /** A cursor for the next page, valid for this account only (security class C28). */
  const cursorOf = (accountId: string, { at, id }: AuditPlace) =>
    [at, id, macOf(accountId, String(at), id)].join('~')

  /** @throws DomainError `parameter_malformed` when this server did not make it for this account */
  function placeIn(accountId: string, cursor: unknown): AuditPlace {
    const [at = '', id = '', mac = ''] = typeof cursor === 'string' ? cursor.split('~') : []
    if (equalInConstantTime(mac, macOf(accountId, at, id))) return { at: Number(at), id }
    throw new DomainError('parameter_malformed', {
      detail: 'before: expected what a link of the history page has',
    })
  }

  async function line({ at, type, ip, userAgent, clientId, detail }: AuditEvent & AuditPlace) {
    const { count, country } = detail ?? {}
    const shown: HistoryLine = {
      type: type as HistoryEvent,
      seen: { at, ...present({ ip }) },
      ...present({ userAgent }),
      ...(clientId === undefined ? {} : { application: (await clientName(clientId)) ?? clientId }),
      ...(typeof count === 'number' ? { count } : {}),
      ...(typeof country === 'string' ? { country } : {}),
      marks: historyMarks.filter((mark) => detail?.[mark] === true),
    }
    return shown
  }

  router.get('/account/history', async (ctx) => {
    const owner = await desk.owner(ctx, 'history')
    if (!owner) return
    const page = pageContext(ctx)
    const { id: accountId } = owner.account
    const cursor = ctx.query['before']
    const before = cursor === undefined ? {} : { before: placeIn(accountId, cursor) }
    const found = await audit.ofAccount(tenant, accountId, {
      types: historyEvents,
      ...before,
      limit: pageSize + 1,
    })
    const events = found.slice(0, pageSize)
    const last = found.length > pageSize ? events.at(-1) : undefined
    const address = ownAddress(page, '/account/history')
    const mark = address.includes('?') ? '&' : '?'
    const view = {
      ...desk.frame(ctx, owner),
      events: await Promise.all(events.map(line)),
      ...(last ? { older: `${address}${mark}before=${cursorOf(accountId, last)}` } : {}),
      ...(cursor === undefined ? {} : { newest: address }),
    }
    desk.show(ctx, historyPage(page, view))
  })
}
