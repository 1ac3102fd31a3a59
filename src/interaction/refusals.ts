import type { Context } from 'koa'
import type { DomainError } from '../errors.ts'
import { requestIdOf } from '../http/request.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import type { Refusal } from '../refusals/refusal.ts'

type About = Pick<Refusal, 'endpoint' | 'check' | 'error'> &
  Partial<Pick<Refusal, 'accountId' | 'clientId' | 'reason' | 'expected' | 'received'>>

/** Stores a refusal on a page, to be explained by the request id. */
export function noteRefusal(
  { tenant, refusals }: Pick<IssuerContext, 'tenant' | 'refusals'>,
  ctx: Context,
  about: About,
): void {
  refusals.note({ id: requestIdOf(ctx), tenant, ip: ctx.ip, ...about })
}

/** The same for a DomainError; its `detail` has what was expected and what was received. */
export function noteDomainError(
  context: Pick<IssuerContext, 'tenant' | 'refusals'>,
  ctx: Context,
  { code, oauth, detail }: DomainError,
  endpoint = ctx.path.split('/')[1] || 'root',
  who: Pick<About, 'accountId' | 'clientId'> = {},
): void {
  // Roles are left to the log: not everybody who reads refusals may see them.
  const {
    account,
    expected,
    received,
    roles: _roles,
    ...rest
  } = typeof detail === 'object' ? detail : {}
  const others = Object.entries(rest).map(([name, value]) => `${name}: ${inWords(value)}`)
  const reason = typeof detail === 'string' ? detail : others.join(', ')
  noteRefusal(context, ctx, {
    endpoint,
    check: code,
    error: oauth,
    ...who,
    ...(typeof account === 'string' ? { accountId: account } : {}),
    ...(reason === '' ? {} : { reason }),
    ...(expected === undefined ? {} : { expected: inWords(expected) }),
    ...(received === undefined ? {} : { received: inWords(received) }),
  })
}

function inWords(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
