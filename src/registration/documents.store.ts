import type { ClientMetadata } from '../clients/client.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { column, table } from '../storage/table.ts'

export const ClientDocumentsTable = table('client_documents', {
  key: ['tenant_id', 'client_id'],
  columns: {
    tenant_id: column.text,
    client_id: column.text,
    document: column.json,
    metadata: column.json,
    policy: column.text,
    fetched_at: column.time,
    fresh_until: column.time,
  },
  references: {
    registered: ['registered_clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']],
  },
})

/** The members of a document and its freshness; times in milliseconds since the epoch. */
export interface Copy {
  members: Record<string, unknown>
  fetchedAt: number
  freshUntil: number
}

/** The stored document of a client. */
export interface StoredDocument extends Copy {
  disabled: boolean
  /** The policy by which its metadata was derived from the document. */
  policy: string
}

interface Row {
  follows: boolean
  disabled: boolean
  document: Record<string, unknown>
  policy: string
  fetched_at: Date
  fresh_until: Date
}

/** Clients with a document that a person has allowed something; others are only in memory. */
export function createDocumentStore({ database, clock }: { database: Database; clock: Clock }) {
  return {
    /** `declared`: an operator declared the client, or changed it from its document. */
    async load(tenant: string, clientId: string): Promise<StoredDocument | 'declared' | undefined> {
      const [row] = await database.query<Row>(
        `select coalesce(c.metadata = d.metadata, false) as follows, c.disabled_at is not null as disabled,
           d.document, d.policy, d.fetched_at, d.fresh_until
         from clients c left join client_documents d
           on d.tenant_id = c.tenant_id and d.client_id = c.client_id
         where c.tenant_id = $1 and c.client_id = $2`,
        [tenant, clientId],
      )
      if (!row) return undefined
      if (!row.follows) return 'declared'
      return {
        disabled: row.disabled,
        members: row.document,
        policy: row.policy,
        fetchedAt: row.fetched_at.getTime(),
        freshUntil: row.fresh_until.getTime(),
      }
    },

    async add(
      tenant: string,
      clientId: string,
      { members, fetchedAt, freshUntil }: Copy,
      { metadata, policy }: { metadata: ClientMetadata; policy: string },
    ): Promise<void> {
      await database.execute(
        `insert into client_documents
           (tenant_id, client_id, document, metadata, policy, fetched_at, fresh_until)
         values ($1, $2, $3, $4, $5, $6, $7)`,
        [
          tenant,
          clientId,
          JSON.stringify(members),
          JSON.stringify(metadata),
          policy,
          new Date(fetchedAt),
          new Date(freshUntil),
        ],
      )
    },

    /**
     * Updates a client to its document, unless an operator has changed it, or a later document is stored.
     * @returns whether its metadata changed
     */
    async follow(
      tenant: string,
      clientId: string,
      { members, fetchedAt, freshUntil }: Copy,
      { metadata, policy }: { metadata: ClientMetadata; policy: string },
    ): Promise<boolean> {
      const [row] = await database.query<{ changed: boolean }>(
        `with following as (
           select c.tenant_id, c.client_id
           from client_documents d join clients c
             on c.tenant_id = d.tenant_id and c.client_id = d.client_id
           where d.tenant_id = $1 and d.client_id = $2 and c.metadata = d.metadata
             and d.fetched_at <= $6
           for update of c, d),
         noted as (
           update client_documents d
           set document = $3, metadata = $4, policy = $5, fetched_at = $6, fresh_until = $7
           from following f where d.tenant_id = f.tenant_id and d.client_id = f.client_id),
         changed as (
           update clients c set metadata = $4, updated_at = $8
           from following f
           where c.tenant_id = f.tenant_id and c.client_id = f.client_id and c.metadata <> $4
           returning 1)
         select exists (select 1 from changed) as changed`,
        [
          tenant,
          clientId,
          JSON.stringify(members),
          JSON.stringify(metadata),
          policy,
          new Date(fetchedAt),
          new Date(freshUntil),
          new Date(clock.now()),
        ],
      )
      return row?.changed === true
    },
  }
}
