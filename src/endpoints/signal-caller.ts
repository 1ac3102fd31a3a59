import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import type { SignalStream } from '../signals/stream.ts'

/** A request of a receiver with a verified access token. */
export interface SignalCall {
  ctx: Context
  clientId: string
}

/** Checks the receiver again, as its token may be older than a change. @throws DomainError `audience_foreign` */
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
 * The stream of a receiver; another receiver's stream is answered like a missing one.
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
