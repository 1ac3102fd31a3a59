import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { RegistrationPolicy } from './policy.ts'

export const RegisteredClientsTable = table('registered_clients', {
  key: ['tenant_id', 'client_id'],
  columns: {
    tenant_id: column.text,
    client_id: column.text,
    network: nullable(column.text),
    registered_at: column.time,
    used_at: nullable(column.time),
    expires_at: column.time,
    software_statement: nullable(column.text),
    metadata: nullable(column.json),
  },
  references: { client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']] },
  index: {
    unused: { columns: ['tenant_id', 'network'], where: 'used_at is null' },
    expires: ['expires_at'],
  },
})

export interface RegisteredClient {
  registeredAt: number
  statement?: string
  metadata?: Record<string, unknown>
}

/** Milliseconds of a day. Use is noted once a day. */
const day = 24 * 3600 * 1000

/** The limits of a policy for clients that nobody has used. */
export const roomFor = (policy: RegistrationPolicy, network: string | undefined) => ({
  network,
  unusedDays: policy.unused_days,
  most: policy.most_unused,
  mostPerNetwork: policy.most_unused_per_network,
})

/** Whether an operator disabled a client with a document, which would bring it back once deleted. */
const isBarred = `exists (select 1 from client_documents d
  join clients c on c.tenant_id = d.tenant_id and c.client_id = d.client_id
  where d.tenant_id = r.tenant_id and d.client_id = r.client_id and c.disabled_at is not null)`

/** Clients that registered themselves, and their expiry. */
export function createRegisteredClientStore({
  database,
  clock,
}: Pick<Platform, 'database' | 'clock'>) {
  const store = {
    /**
     * Counts and adds in one statement; concurrent registrations wait for this transaction. Without room, a client with
     * a document replaces another one.
     * @returns the id of the replaced client
     * @throws DomainError `registration_full`
     */
    async add(
      tenant: string,
      clientId: string,
      {
        network,
        unusedDays,
        most,
        mostPerNetwork,
        byDocument = false,
      }: {
        network: string | undefined
        /** Clients with and without a document are counted separately. */
        byDocument?: boolean
        unusedDays: number
        most: number
        mostPerNetwork: number
      },
    ): Promise<string | undefined> {
      await database.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [
        `keyturn registration ${tenant}`,
      ])
      const now = clock.now()
      // A subquery in place of `exists`, for which Postgres would read all documents.
      const insert = async () =>
        (await database.execute(
          `insert into registered_clients (tenant_id, client_id, network, registered_at, expires_at)
         select $1, $2, $3, $4, $5
         from (select count(*) as most, count(*) filter (where r.network = $3) as of_network
           from registered_clients r where r.tenant_id = $1 and r.used_at is null and ((
             select 1 from client_documents d
             where d.tenant_id = r.tenant_id and d.client_id = r.client_id) is not null) = $8) as unused
         where unused.most < $6 and ($3::text is null or unused.of_network < $7)`,
          [
            tenant,
            clientId,
            network ?? null,
            new Date(now),
            new Date(now + unusedDays * day),
            most,
            mostPerNetwork,
            byDocument,
          ],
        )) === 1
      if (await insert()) return undefined
      const gone = byDocument
        ? await store.makeRoom(tenant, { network, mostPerNetwork })
        : undefined
      if (gone !== undefined && (await insert())) return gone
      throw new DomainError('registration_full', {
        retryAfter: 3600,
        detail: {
          expected: `at most ${most} clients that were never used, ${mostPerNetwork} from one network`,
        },
      })
    },

    /**
     * Deletes the oldest unused client with a document; of this network if its share is used up, as one account could
     * otherwise fill the tenant. Its document brings a deleted client back. Skips clients that an operator disabled or
     * changed, and those that are getting something at this moment.
     * @returns the id of the deleted client
     */
    async makeRoom(
      tenant: string,
      { network, mostPerNetwork }: { network: string | undefined; mostPerNetwork: number },
    ): Promise<string | undefined> {
      const [row] = await database.query<{ client_id: string }>(
        `with unused as (
           select r.client_id, r.network from registered_clients r
           join client_documents d on d.tenant_id = r.tenant_id and d.client_id = r.client_id
           where r.tenant_id = $1 and r.used_at is null)
         delete from clients where tenant_id = $1 and client_id = (
           select r.client_id from registered_clients r
           join client_documents d on d.tenant_id = r.tenant_id and d.client_id = r.client_id
           join clients c on c.tenant_id = r.tenant_id and c.client_id = r.client_id
           where r.tenant_id = $1 and r.used_at is null and c.disabled_at is null
             and c.metadata = d.metadata and not exists (
               select 1 from families f where f.tenant_id = r.tenant_id and f.client_id = r.client_id)
             and (r.network = $2 or (select count(*) from unused where network = $2) < $3)
           order by r.registered_at, r.client_id limit 1 for update of r, c skip locked)
         returning client_id`,
        [tenant, network ?? null, mostPerNetwork],
      )
      return row?.client_id
    },

    /** Notes a use, once a day; no effect on clients that an operator declared. */
    async use(tenant: string, clientId: string, unusedDays: number): Promise<void> {
      const now = clock.now()
      await database.execute(
        `update registered_clients set used_at = $3, expires_at = $4
         where tenant_id = $1 and client_id = $2 and (used_at is null or used_at < $5)`,
        [tenant, clientId, new Date(now), new Date(now + unusedDays * day), new Date(now - day)],
      )
    },

    /**
     * @returns registeredAt: milliseconds since the epoch; statement: its software statement; metadata: as the client
     *   itself declared it
     */
    async find(tenant: string, clientId: string): Promise<RegisteredClient | undefined> {
      const [row] = await database.query<{
        registered_at: Date
        software_statement: string | null
        metadata: Record<string, unknown> | null
      }>(
        `select registered_at, software_statement, metadata from registered_clients
         where tenant_id = $1 and client_id = $2`,
        [tenant, clientId],
      )
      const statement = row?.software_statement ?? undefined
      return (
        row && {
          registeredAt: row.registered_at.getTime(),
          ...present({ statement }),
          ...(row.metadata === null ? {} : { metadata: row.metadata }),
        }
      )
    },

    /**
     * Notes what a client has declared now.
     * @param others members that belong to the operator: what the client declared for them earlier stays noted
     */
    async keepOwnWord(
      tenant: string,
      clientId: string,
      statement: string | undefined,
      others: string[] = [],
    ): Promise<void> {
      await database.execute(
        `update registered_clients r set software_statement = $3, metadata = (c.metadata - $4::text[]) || coalesce(
           (select jsonb_object_agg(key, value) from jsonb_each(r.metadata) where key = any($4)), '{}')
         from clients c where r.tenant_id = $1 and r.client_id = $2
           and c.tenant_id = r.tenant_id and c.client_id = r.client_id`,
        [tenant, clientId, statement ?? null, others],
      )
    },

    /**
     * Deletes expired clients that never held anything. Skips a client with a document that an operator disabled, as
     * its document would bring it back.
     * @returns those of one batch
     */
    deleteUnused(batch: number): Promise<Array<{ tenant_id: string; client_id: string }>> {
      return database.query(
        `delete from clients where (tenant_id, client_id) in (
           select r.tenant_id, r.client_id from registered_clients r
           join clients c on c.tenant_id = r.tenant_id and c.client_id = r.client_id
           where r.expires_at <= $1 and r.used_at is null and not exists (
             select 1 from families f where f.tenant_id = r.tenant_id and f.client_id = r.client_id)
             and not ${isBarred}
           limit ${batch} for update of r, c skip locked)
         returning tenant_id, client_id`,
        [new Date(clock.now())],
      )
    },

    /** An expired client that was used, or that `deleteUnused` did not reach: what hangs from it must be ended, too. */
    async nextExpired(): Promise<{ tenant_id: string; client_id: string } | undefined> {
      const [row] = await database.query<{ tenant_id: string; client_id: string }>(
        `select tenant_id, client_id from registered_clients r where expires_at <= $1 and not ${isBarred}
         order by expires_at limit 1`,
        [new Date(clock.now())],
      )
      return row
    },
  }
  return store
}
