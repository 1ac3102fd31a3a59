import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import type { SealedColumn } from '../secrets/sealed-column.ts'
import { chunksOf } from '../storage/chunks.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { Signal } from './signal.ts'
import type { SignalStream, StreamStatus } from './stream.ts'

export const SignalStreamsTable = table('signal_streams', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    client_id: column.text,
    method: column.text,
    endpoint_url: nullable(column.text),
    sealed: nullable(column.text),
    events_requested: column.texts,
    description: nullable(column.text),
    status: column.text,
    reason: nullable(column.text),
    verified_at: nullable(column.time),
    created_at: column.time,
    updated_at: column.time,
  },
  references: { client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']] },
  unique: { client: ['tenant_id', 'client_id'] },
  check: ['method', 'status'],
})

export const SignalEventsTable = table('signal_events', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    stream_id: column.text,
    payload: column.json,
    created_at: column.time,
  },
  references: { stream: ['signal_streams', ['tenant_id', 'stream_id'], ['tenant_id', 'id']] },
  index: { stream: ['tenant_id', 'stream_id', 'created_at'], created: ['created_at'] },
})

const purpose = (tenant: string, id: string) => JSON.stringify(['signal stream', tenant, id])

export const sealedSignalAuthorizations: SealedColumn = {
  table: 'signal_streams',
  key: ['tenant_id', 'id'],
  column: 'sealed',
  purpose,
}

interface Row {
  id: string
  client_id: string
  method: 'push' | 'poll'
  endpoint_url: string | null
  sealed: string | null
  events_requested: string[]
  description: string | null
  status: StreamStatus
  reason: string | null
}

/** A signal in a stream. `createdAt` in milliseconds since the epoch. */
export interface WaitingSignal {
  id: string
  createdAt: number
  signal: Signal
}

const columns = `id, client_id, method, endpoint_url, sealed, events_requested, description, status, reason`

export function createSignalStreamStore({
  database,
  clock,
  sealer,
}: Pick<Platform, 'database' | 'clock' | 'sealer'>) {
  const now = () => new Date(clock.now())

  function toStream(tenant: string, row: Row): SignalStream {
    const { endpoint_url: endpointUrl, sealed } = row
    const authorization = sealed === null ? undefined : sealer.open(purpose(tenant, row.id), sealed)
    return {
      id: row.id,
      clientId: row.client_id,
      delivery:
        endpointUrl === null
          ? { method: 'poll' }
          : {
              method: 'push',
              endpointUrl,
              ...present({ authorization }),
            },
      eventsRequested: row.events_requested,
      ...present({ description: row.description }),
      status: row.status,
      ...present({ reason: row.reason }),
    }
  }

  async function select(tenant: string, where: string, values: unknown[]): Promise<SignalStream[]> {
    const rows = await database.query<Row>(
      `select ${columns} from signal_streams where tenant_id = $1 ${where} order by id`,
      [tenant, ...values],
    )
    return rows.map((row) => toStream(tenant, row))
  }

  /** The statement parameters of a declaration. */
  async function declaredOf(tenant: string, stream: SignalStream): Promise<unknown[]> {
    const { id, delivery, eventsRequested, description } = stream
    const isPush = delivery.method === 'push'
    const secret = isPush ? delivery.authorization : undefined
    return [
      tenant,
      id,
      delivery.method,
      isPush ? delivery.endpointUrl : null,
      secret === undefined ? null : await sealer.seal(purpose(tenant, id), secret),
      eventsRequested,
      description ?? null,
      now(),
    ]
  }

  return {
    list: (tenant: string) => select(tenant, '', []),
    async ofClient(tenant: string, clientId: string): Promise<SignalStream | undefined> {
      return (await select(tenant, 'and client_id = $2', [clientId]))[0]
    },
    async find(tenant: string, id: string): Promise<SignalStream | undefined> {
      return (await select(tenant, 'and id = $2', [id]))[0]
    },

    /** Locks the stream until the transaction ends. */
    async lock(tenant: string, id: string): Promise<SignalStream | undefined> {
      const [row] = await database.query<Row>(
        `select ${columns} from signal_streams where tenant_id = $1 and id = $2 for no key update`,
        [tenant, id],
      )
      return row && toStream(tenant, row)
    },

    /** Adds the only stream of a client. @returns false when it has one already */
    async add(tenant: string, stream: SignalStream): Promise<boolean> {
      const written = await database.execute(
        `insert into signal_streams (tenant_id, id, method, endpoint_url, sealed, events_requested, description,
           updated_at, created_at, client_id, status)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10)
         on conflict (tenant_id, client_id) do nothing`,
        [...(await declaredOf(tenant, stream)), stream.clientId, stream.status],
      )
      return written === 1
    },

    /** Updates the declaration, not the status. @returns whether the stream exists */
    async update(tenant: string, stream: SignalStream): Promise<boolean> {
      const written = await database.execute(
        `update signal_streams set method = $3, endpoint_url = $4, sealed = $5, events_requested = $6,
           description = $7, updated_at = $8
         where tenant_id = $1 and id = $2`,
        await declaredOf(tenant, stream),
      )
      return written === 1
    },

    /** @param from the required current status */
    setStatus(tenant: string, id: string, status: StreamStatus, reason?: string, from?: string) {
      return database.execute(
        `update signal_streams set status = $3, reason = $4, updated_at = $5
         where tenant_id = $1 and id = $2 and ($6::text is null or status = $6)`,
        [tenant, id, status, reason ?? null, now(), from ?? null],
      )
    },

    /** Records a verification; false when the last one is too recent. @param interval milliseconds */
    async noteVerification(tenant: string, id: string, interval: number): Promise<boolean> {
      const changed = await database.execute(
        `update signal_streams set verified_at = $3
         where tenant_id = $1 and id = $2 and (verified_at is null or verified_at <= $4)`,
        [tenant, id, now(), new Date(clock.now() - interval)],
      )
      return changed === 1
    },

    delete: (tenant: string, id: string) =>
      database.execute('delete from signal_streams where tenant_id = $1 and id = $2', [tenant, id]),

    async queue(tenant: string, stream: string, signals: Array<{ id: string; signal: Signal }>) {
      for (const some of chunksOf(signals)) {
        await database.execute(
          `insert into signal_events (tenant_id, id, stream_id, payload, created_at)
           select $1, id, $2, payload::jsonb, $5 from unnest($3::text[], $4::text[]) as s (id, payload)`,
          [
            tenant,
            stream,
            some.map(({ id }) => id),
            some.map(({ signal }) => JSON.stringify(signal)),
            now(),
          ],
        )
      }
    },

    /** Deletes the oldest events beyond `most`. @returns how many */
    dropBeyond: (tenant: string, stream: string, most: number) =>
      database.execute(
        `delete from signal_events where tenant_id = $1 and id in (
           select id from signal_events where tenant_id = $1 and stream_id = $2
           order by created_at desc, id offset $3)`,
        [tenant, stream, most],
      ),

    /** Deletes the events of one type. */
    dropType: (tenant: string, stream: string, event: string) =>
      database.execute(
        `delete from signal_events where tenant_id = $1 and stream_id = $2 and payload->>'event' = $3`,
        [tenant, stream, event],
      ),

    /** Oldest first. */
    async waiting(
      tenant: string,
      stream: string,
      { id, most }: { id?: string; most: number },
    ): Promise<WaitingSignal[]> {
      const rows = await database.query<{ id: string; payload: Signal; created_at: Date }>(
        `select id, payload, created_at from signal_events
         where tenant_id = $1 and stream_id = $2 and ($3::text is null or id = $3)
         order by created_at, id limit $4`,
        [tenant, stream, id ?? null, most],
      )
      return rows.map((row) => ({
        id: row.id,
        createdAt: row.created_at.getTime(),
        signal: row.payload,
      }))
    },

    /** Deletes acknowledged events. @param ids all when undefined */
    settle: (tenant: string, stream: string, ids?: string[]) =>
      database.execute(
        `delete from signal_events
         where tenant_id = $1 and stream_id = $2 and ($3::text[] is null or id = any($3))`,
        [tenant, stream, ids ?? null],
      ),
  }
}
