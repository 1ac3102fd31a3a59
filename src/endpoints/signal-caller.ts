import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import type { SignalStream } from '../signals/stream.ts'

/** A request of a receiver whose access token was checked. */
export interface SignalCall {
  ctx: Context
  clientId: string
}

/** A token outlives what a resource server says of its client. @throws DomainError `audience_foreign` */
export async function assertReceiver(
  { tenant, signals }: IssuerContext,
  clientId: string,
): Promise<void> {
  if ((await signals.audienceOf(tenant, clientId)).length > 0) return
  throw new DomainError('audience_foreign', {
    detail: { expected: 'a client that a resource server names in introspection_clients' },
  })
}

/**
 * The stream of a receiver. Whoever names another one learns nothing of it.
 * @throws DomainError `not_found`
 */
export async function streamOf(
  { tenant, signals }: IssuerContext,
  { clientId }: SignalCall,
  id: string | undefined,
): Promise<SignalStream> {
  const stream = await signals.of(tenant, clientId)
  if (stream && stream.id === id) return stream
  throw new DomainError('not_found', { detail: { stream: id } })
}
