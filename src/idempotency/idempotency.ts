import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import { hashOf } from '../secrets/handle.ts'
import { openUnder, sealUnder } from '../secrets/presented-seal.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, ofTenant, table } from '../storage/table.ts'

/** The response that a repeated request gets again. */
export interface KeptAnswer {
  status: number
  headers: Record<string, string>
  body: unknown
}

/** A request with a key, so that a client that received no response can repeat it. */
export interface NamedRequest {
  tenant: string
  /** The caller: no caller gets the response of another. */
  caller: string
  /** The caller's key, from the header `Idempotency-Key`. */
  key: string
  /** The complete content of the request. */
  request: string
}

/** Executes requests once, even if they arrive repeatedly (draft-ietf-httpapi-idempotency-key-header). */
export interface Idempotency {
  /**
   * Executes a request in a transaction, or returns the stored response. Of two concurrent calls, the second waits for
   * the first. Since a response may contain a secret, it is stored sealed: only the same caller with the same key can
   * open it, and only with the secrets of this server.
   * @param work if it fails nothing is stored, and the request can be repeated
   * @throws DomainError `idempotency_key_reused` when the key was used for another request
   */
  once(named: NamedRequest, work: () => Promise<KeptAnswer>): Promise<KeptAnswer>
  /**
   * The same for work of more than one transaction. Of two concurrent calls, the second is refused, since no lock is
   * held. Work whose process died is executed again when the request is repeated after a minute, so it must be harmless
   * to repeat.
   * @throws DomainError `idempotency_key_reused`, `idempotency_key_in_use`
   */
  onceApart(named: NamedRequest, work: () => Promise<KeptAnswer>): Promise<KeptAnswer>
  /** Deletes responses older than a day, in batches. @returns their number */
  sweep(): Promise<number>
}

export const IdempotencyKeysTable = table('idempotency_keys', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    request: column.text,
    answer: column.text,
    expires_at: column.time,
  },
  references: { tenant: ofTenant },
  index: { expires: ['expires_at'] },
})

/** Milliseconds. */
const keptFor = 24 * 3600 * 1000
/** Milliseconds after which work without a response counts as interrupted. */
const workedOnFor = 60_000

const info = 'keyturn idempotent answer'

export function createIdempotency({
  database,
  clock,
  sealer,
}: Pick<Platform, 'database' | 'clock' | 'sealer'>): Idempotency {
  /** Others see an empty response only during the work of `onceApart`, or after it was interrupted. */
  async function claim(tenant: string, id: string, request: string): Promise<boolean> {
    const now = new Date(clock.now())
    const written = await database.execute(
      `insert into idempotency_keys as k (tenant_id, id, request, answer, expires_at)
       values ($1, $2, $3, '', $4)
       on conflict (tenant_id, id) do update
         set request = excluded.request, answer = excluded.answer, expires_at = excluded.expires_at
         where k.expires_at <= $5 or (k.answer = '' and k.request = excluded.request and k.expires_at <= $6)`,
      [
        tenant,
        id,
        request,
        new Date(now.getTime() + keptFor),
        now,
        new Date(now.getTime() + keptFor - workedOnFor),
      ],
    )
    return written === 1
  }

  async function keptAnswer(
    tenant: string,
    id: string,
    request: string,
    presented: string,
  ): Promise<KeptAnswer> {
    const [row] = await database.query<{ request: string; answer: string }>(
      'select request, answer from idempotency_keys where tenant_id = $1 and id = $2',
      [tenant, id],
    )
    if (row?.request !== request) throw new DomainError('idempotency_key_reused')
    if (row.answer === '') throw new DomainError('idempotency_key_in_use', { retryAfter: 1 })
    return JSON.parse(openUnder(presented, info, row.answer)) as KeptAnswer
  }

  function namesOf({ caller, key, request }: NamedRequest) {
    const name = JSON.stringify([caller, key])
    return {
      id: sealer.mac('idempotency-key', name),
      presented: sealer.mac('idempotent-answer', name),
      digest: hashOf(request),
    }
  }

  async function keep(tenant: string, id: string, presented: string, answer: KeptAnswer) {
    await database.execute(
      'update idempotency_keys set answer = $3 where tenant_id = $1 and id = $2',
      [tenant, id, sealUnder(presented, info, JSON.stringify(answer))],
    )
  }

  return {
    once: (named, work) =>
      database.transaction(async () => {
        const { tenant } = named
        const { id, presented, digest } = namesOf(named)
        if (!(await claim(tenant, id, digest))) return keptAnswer(tenant, id, digest, presented)
        const answer = await work()
        await keep(tenant, id, presented, answer)
        return answer
      }),
    async onceApart(named, work) {
      const { tenant } = named
      const { id, presented, digest } = namesOf(named)
      if (!(await claim(tenant, id, digest))) return keptAnswer(tenant, id, digest, presented)
      try {
        const answer = await work()
        await keep(tenant, id, presented, answer)
        return answer
      } catch (error) {
        await database.execute(
          `delete from idempotency_keys where tenant_id = $1 and id = $2 and answer = ''`,
          [tenant, id],
        )
        throw error
      }
    },
    sweep: () => sweepTable(database, IdempotencyKeysTable, 'expires_at <= $1', clock.now()),
  }
}
