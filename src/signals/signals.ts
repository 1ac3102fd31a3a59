import { randomUUID } from 'node:crypto'
import type { Config } from '../../config/config.ts'
import type { Audit } from '../audit/audit.ts'
import type { Clients } from '../clients/clients.ts'
import type { Subjects } from '../clients/subjects.ts'
import { DomainError } from '../errors.ts'
import type { Grants } from '../grants/grants.ts'
import { type Attempt, answeredWith, type Message } from '../outbox/message.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import type { ResourceServers } from '../resources/resource-servers.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { sweepTable } from '../storage/sweep.ts'
import { issuerOf } from '../tenants/tenant.ts'
import {
  eventTokenMedia,
  eventTokenType,
  type Signal,
  streamUpdated,
  verification,
} from './signal.ts'
import { createSignalWriter } from './signal-writer.ts'
import { createSignalStreamStore, SignalEventsTable, type WaitingSignal } from './stream.store.ts'
import {
  declaredAs,
  delivered,
  minVerificationInterval,
  type SignalStream,
  type StreamDeclaration,
  type StreamStatus,
} from './stream.ts'

/**
 * Shared Signals (SSF 1.0) with CAEP 1.0 events: the operator of a resource server learns what happens to people who
 * have granted access to it, by push (RFC 8935) or poll (RFC 8936). Signals are queued in the transaction that seals
 * the audit event, so no committed event is lost, and kept until the receiver acknowledges them.
 */
export interface Signals {
  /** The stream of a receiver, which has at most one. */
  of(tenant: string, clientId: string): Promise<SignalStream | undefined>
  /** @throws DomainError `already_exists` */
  create(tenant: string, clientId: string, declared: StreamDeclaration): Promise<SignalStream>
  /** Replaces the declaration of a stream; its status stays. @throws DomainError `not_found` */
  replace(tenant: string, stream: SignalStream, declared: StreamDeclaration): Promise<SignalStream>
  delete(tenant: string, id: string): Promise<void>
  /** Sets the status: a disabled stream drops its queue, a paused one keeps it. @throws DomainError `not_found` */
  setStatus(
    tenant: string,
    stream: SignalStream,
    status: StreamStatus,
    reason?: string,
  ): Promise<SignalStream>
  /** Sends the receiver a verification event with its `state`. @throws DomainError `too_many_requests` */
  verify(tenant: string, stream: SignalStream, state?: string): Promise<void>
  /** The next event tokens by id; `more` when others wait. @param most 0 for none */
  fetch(
    tenant: string,
    stream: SignalStream,
    most: number,
  ): Promise<{ sets: Record<string, string>; more: boolean }>
  /** Acknowledges events, which are then deleted. */
  acknowledge(tenant: string, stream: SignalStream, ids: string[]): Promise<void>
  /** The audiences of a receiver: the resource servers that it may introspect tokens of. */
  audienceOf(tenant: string, clientId: string): Promise<string[]>
  /** Deletes events that were not fetched for too long. */
  sweep(): Promise<number>
}

const kind = 'signal'
/** Most events waiting in one stream. */
const mostWaiting = 10_000
/** Milliseconds. */
const kept = 7 * 24 * 3600 * 1000

const notPushed = 'the stream is not pushed now'

/** The algorithm of the CAEP interoperability profile. */
const signingAlg = 'RS256'

export function createSignals(
  deps: Pick<Platform, 'database' | 'clock' | 'log' | 'sealer' | 'fetch'> & {
    config: Pick<Config, 'issuer'>
    audit: Audit
    outbox: Outbox
    signing: Pick<SigningKeys, 'sign'>
    clients: Clients
    subjects: Subjects
    grants: Grants
    resources: ResourceServers
  },
): Signals {
  const { database, clock, log, outbox, signing, clients, resources } = deps
  const store = createSignalStreamStore(deps)
  const signalsOf = createSignalWriter(deps)

  const audienceOf = async (tenant: string, clientId: string) =>
    (await resources.introspectedBy(tenant, clientId)).map(({ identifier }) => identifier)

  /** Signs an event token (RFC 8417 §2.2) without `sub` and `exp` (SSF 1.0 §4.1.8, §4.1.9). */
  async function tokenOf(
    tenant: string,
    { clientId }: SignalStream,
    { id, createdAt, signal }: WaitingSignal,
  ): Promise<string> {
    const audience = await audienceOf(tenant, clientId)
    return signing.sign(tenant, signingAlg, eventTokenType, {
      iss: issuerOf(deps.config.issuer, tenant),
      jti: id,
      iat: Math.floor(createdAt / 1000),
      aud: audience.length === 1 ? audience[0] : audience,
      ...present({ txn: signal.txn }),
      sub_id: signal.subject,
      events: { [signal.event]: signal.body },
    })
  }

  async function enqueue(tenant: string, stream: SignalStream, signals: Signal[]): Promise<void> {
    if (signals.length === 0 || stream.status === 'disabled') return
    const rows = signals.map((signal) => ({ id: randomUUID(), signal }))
    await store.queue(tenant, stream.id, rows)
    const dropped = await store.dropBeyond(tenant, stream.id, mostWaiting)
    if (dropped > 0) await tellLoss(tenant, stream)
    await send(tenant, stream, rows)
  }

  /** Informs a returning receiver that events are missing (SSF 1.0 §8.1.5). */
  async function tellLoss(tenant: string, stream: SignalStream): Promise<void> {
    const reason = `more than ${mostWaiting} events were waiting: the oldest were dropped`
    log.warn({ tenant, stream: stream.id, client_id: stream.clientId }, reason)
    await store.dropType(tenant, stream.id, streamUpdated)
    await store.setStatus(tenant, stream.id, stream.status, reason, stream.status)
    const signal = {
      event: streamUpdated,
      subject: { format: 'opaque', id: stream.id },
      body: { status: stream.status, reason },
    }
    const rows = [{ id: randomUUID(), signal }]
    await store.queue(tenant, stream.id, rows)
    await send(tenant, stream, rows)
  }

  const endpointOf = ({ delivery }: SignalStream) =>
    delivery.method === 'push' ? delivery.endpointUrl : undefined

  /** Where events are pushed to; undefined if they are not. */
  const destinationOf = ({ status, delivery }: SignalStream) =>
    status === 'enabled' && delivery.method === 'push'
      ? new URL(delivery.endpointUrl).host
      : undefined

  async function send(tenant: string, stream: SignalStream, rows: Array<{ id: string }>) {
    const destination = destinationOf(stream)
    if (destination === undefined) return
    const payloads = rows.map(({ id }) => ({ stream: stream.id, signal: id }))
    await outbox.add(
      tenant,
      kind,
      payloads.map((payload) => ({ destination, payload })),
    )
  }

  /**
   * Requeues the waiting events after a change of status or delivery: each is queued once, however often this runs, and
   * none unless events are pushed.
   */
  async function sendWaiting(tenant: string, stream: SignalStream): Promise<void> {
    const destination = destinationOf(stream)
    const about = { stream: stream.id }
    if (destination === undefined) return outbox.recall(tenant, kind, about)
    const rows = await store.waiting(tenant, stream.id, { most: mostWaiting + 1 })
    const each = { member: 'signal', values: rows.map(({ id }) => id) }
    await outbox.renew(tenant, kind, about, destination, each)
  }

  /** Locks the stream until the transaction ends. @throws DomainError `not_found` */
  async function locked(tenant: string, id: string): Promise<SignalStream> {
    const stream = await store.lock(tenant, id)
    if (!stream) throw new DomainError('not_found', { detail: { stream: id } })
    return stream
  }

  /** The stream and event of a message; either may be gone. */
  async function find({ tenant, payload }: Message) {
    const stream = await store.find(tenant, String(payload['stream']))
    const id = String(payload['signal'])
    const [waiting] = stream ? await store.waiting(tenant, stream.id, { id, most: 1 }) : []
    return { stream, waiting }
  }

  async function deliver(message: Message): Promise<Attempt> {
    const { tenant } = message
    const { stream, waiting } = await find(message)
    if (!stream || !waiting) return { final: true, reason: 'it was already delivered or removed' }
    const { delivery, status } = stream
    if (delivery.method !== 'push' || status !== 'enabled') {
      return { final: true, reason: notPushed }
    }
    const speaksFor = await audienceOf(tenant, stream.clientId)
    if (speaksFor.length === 0 || !(await clients.find(tenant, stream.clientId))) {
      return { final: true, reason: 'the receiver no longer belongs to a resource server' }
    }
    const { authorization } = delivery
    const response = await deps.fetch(delivery.endpointUrl, {
      method: 'POST',
      headers: {
        'content-type': eventTokenMedia,
        accept: 'application/json',
        ...present({ authorization }),
      },
      body: await tokenOf(tenant, stream, waiting),
    })
    // RFC 8935 §2.3: the token is refused, and a retry would be as well.
    return answeredWith(response, 400)
  }

  outbox.deliverWith(kind, {
    deliver,
    forgets: true,
    async settled(message, { failed }) {
      const { tenant } = message
      const { stream, waiting } = await find(message)
      if (!stream || !waiting) return
      if (failed === undefined || failed === 'answered 400') {
        await store.settle(tenant, stream.id, [waiting.id])
      } else if (failed === notPushed) {
        // If a pause ended concurrently, this event was not requeued, as it was in progress.
        const current = await store.lock(tenant, stream.id)
        if (current) await send(tenant, current, [waiting])
      } else if (stream.delivery.method === 'push') {
        await store.setStatus(tenant, stream.id, 'paused', `not delivered: ${failed}`, 'enabled')
      }
    },
  })

  deps.audit.onSealed(async (tenant, ids) => {
    const streams = await store.list(tenant)
    if (streams.length === 0) return
    const events = await deps.audit.byIds(tenant, ids)
    for (const stream of streams) {
      const about = {
        wanted: delivered(stream),
        audiences: await audienceOf(tenant, stream.clientId),
      }
      await enqueue(tenant, stream, await signalsOf(tenant, events, about))
    }
  })

  return {
    of: store.ofClient,
    audienceOf,
    async create(tenant, clientId, declared) {
      const stream = declaredAs({ id: randomUUID(), clientId, status: 'enabled' }, declared)
      if (!(await database.transaction(() => store.add(tenant, stream)))) {
        throw new DomainError('already_exists', { detail: { client_id: clientId } })
      }
      log.info({ tenant, stream: stream.id, client_id: clientId }, 'signal stream created')
      return stream
    },
    replace: (tenant, stream, declared) =>
      database.transaction(async () => {
        const before = await locked(tenant, stream.id)
        const next = declaredAs(before, declared)
        await store.update(tenant, next)
        if (endpointOf(before) !== endpointOf(next)) await sendWaiting(tenant, next)
        return next
      }),
    delete: (tenant, id) =>
      database.transaction(async () => {
        await store.delete(tenant, id)
        await outbox.recall(tenant, kind, { stream: id })
      }),
    setStatus: (tenant, stream, status, reason) =>
      database.transaction(async () => {
        const { reason: _before, ...rest } = await locked(tenant, stream.id)
        const next = { ...rest, status, ...present({ reason }) }
        await store.setStatus(tenant, stream.id, status, reason)
        if (status === 'disabled') await store.settle(tenant, stream.id)
        if (rest.status !== 'enabled' || status !== 'enabled') await sendWaiting(tenant, next)
        return next
      }),
    verify: (tenant, stream, state) =>
      database.transaction(async () => {
        const interval = minVerificationInterval * 1000
        if (!(await store.noteVerification(tenant, stream.id, interval))) {
          throw new DomainError('too_many_requests', {
            detail: { expected: `one in ${minVerificationInterval} s` },
            retryAfter: minVerificationInterval,
          })
        }
        const body = state === undefined ? {} : { state }
        const subject = { format: 'opaque', id: stream.id }
        await enqueue(tenant, stream, [{ event: verification, subject, body }])
      }),
    async fetch(tenant, stream, most) {
      if (stream.status !== 'enabled') return { sets: {}, more: false }
      const waiting = await store.waiting(tenant, stream.id, { most: most + 1 })
      const sets: Record<string, string> = {}
      for (const each of waiting.slice(0, most)) {
        sets[each.id] = await tokenOf(tenant, stream, each)
      }
      return { sets, more: waiting.length > most }
    },
    async acknowledge(tenant, stream, ids) {
      if (ids.length > 0) await store.settle(tenant, stream.id, ids)
    },
    sweep: () => sweepTable(database, SignalEventsTable, 'created_at < $1', clock.now() - kept),
  }
}
