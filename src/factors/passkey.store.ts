import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { present } from '../present.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, table } from '../storage/table.ts'

/**
 * The user handle under which authenticators know an account: 32 random bytes, which reveal nothing (WebAuthn §14.6.1).
 */
export const PasskeyOwnersTable = table('passkey_owners', {
  key: ['tenant_id', 'account_id'],
  columns: { tenant_id: column.text, account_id: column.text, handle: column.text },
  references: { account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']] },
  unique: { handle: ['tenant_id', 'handle'] },
})

export const PasskeysTable = table('passkeys', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    account_id: column.text,
    credential_id: column.text,
    public_key: column.text,
    counter: column.long,
    transports: column.texts,
    backup_eligible: column.flag,
    backed_up: column.flag,
    name: column.text,
    created_at: column.time,
    last_used_at: nullable(column.time),
  },
  references: {
    owner: ['passkey_owners', ['tenant_id', 'account_id'], ['tenant_id', 'account_id']],
  },
  unique: { credential: ['tenant_id', 'credential_id'] },
  index: { account: ['tenant_id', 'account_id'] },
})

/** What an authenticator reports about a new key. */
export interface NewPasskey {
  /** The credential id, base64url. */
  credentialId: string
  /** COSE, base64url. */
  publicKey: string
  counter: number
  transports: string[]
  /** Whether the key may be synced to other devices of its owner, and whether it is. */
  backupEligible: boolean
  backedUp: boolean
}

export interface Passkey extends NewPasskey {
  id: string
  accountId: string
  name: string
  /** In milliseconds since the epoch. */
  createdAt: number
  lastUsedAt?: number
}

interface Row {
  id: string
  account_id: string
  credential_id: string
  public_key: string
  counter: string
  transports: string[]
  backup_eligible: boolean
  backed_up: boolean
  name: string
  created_at: Date
  last_used_at: Date | null
}

const columns =
  'p.id, p.account_id, p.credential_id, p.public_key, p.counter, p.transports, p.backup_eligible, p.backed_up, p.name, p.created_at, p.last_used_at'

const toPasskey = (row: Row): Passkey => ({
  id: row.id,
  accountId: row.account_id,
  credentialId: row.credential_id,
  publicKey: row.public_key,
  counter: Number(row.counter),
  transports: row.transports,
  backupEligible: row.backup_eligible,
  backedUp: row.backed_up,
  name: row.name,
  createdAt: row.created_at.getTime(),
  ...present({ lastUsedAt: row.last_used_at?.getTime() }),
})

export function createPasskeyStore({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())

  return {
    /** The user handle, base64url; created when missing. That of a deleted account is not kept. */
    async handleOf(tenant: string, accountId: string): Promise<string> {
      const made = randomBytes(32).toString('base64url')
      await database.execute(
        `insert into passkey_owners (tenant_id, account_id, handle)
         select tenant_id, id, $3 from accounts where tenant_id = $1 and id = $2 and deleted_at is null for share
         on conflict (tenant_id, account_id) do nothing`,
        [tenant, accountId, made],
      )
      const [row] = await database.query<{ handle: string }>(
        'select handle from passkey_owners where tenant_id = $1 and account_id = $2',
        [tenant, accountId],
      )
      return row?.handle ?? made
    },

    async list(tenant: string, accountId: string): Promise<Passkey[]> {
      const rows = await database.query<Row>(
        `select ${columns} from passkeys p where p.tenant_id = $1 and p.account_id = $2
         order by p.created_at, p.id`,
        [tenant, accountId],
      )
      return rows.map(toPasskey)
    },

    /** With the owner's user handle. */
    async find(
      tenant: string,
      credentialId: string,
    ): Promise<(Passkey & { handle: string }) | undefined> {
      const [row] = await database.query<Row & { handle: string }>(
        `select ${columns}, o.handle from passkeys p
         join passkey_owners o on o.tenant_id = p.tenant_id and o.account_id = p.account_id
         where p.tenant_id = $1 and p.credential_id = $2`,
        [tenant, credentialId],
      )
      return row && { ...toPasskey(row), handle: row.handle }
    },

    /** @throws a unique violation on uq_passkeys_credential */
    async insert(
      tenant: string,
      accountId: string,
      { id, name, ...key }: NewPasskey & { id: string; name: string },
    ): Promise<void> {
      await database.execute(
        `insert into passkeys (tenant_id, id, account_id, credential_id, public_key, counter, transports,
           backup_eligible, backed_up, name, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
        [
          tenant,
          id,
          accountId,
          key.credentialId,
          key.publicKey,
          key.counter,
          key.transports,
          key.backupEligible,
          key.backedUp,
          name,
          now(),
        ],
      )
    },

    /**
     * Records a use. An authenticator with a counter must have increased it; of concurrent callers only one succeeds
     * (WebAuthn §7.2, §6.1.1). One without a counter always reports zero.
     * @returns false when it did not increase, or the key was removed meanwhile
     */
    async use(
      tenant: string,
      id: string,
      { counter, backedUp }: { counter: number; backedUp: boolean },
    ): Promise<boolean> {
      const used = await database.execute(
        `update passkeys set counter = $3, backed_up = $4, last_used_at = $5
         where tenant_id = $1 and id = $2 and (counter < $3 or (counter = 0 and $3 = 0))`,
        [tenant, id, counter, backedUp, now()],
      )
      return used === 1
    },

    async rename(tenant: string, accountId: string, id: string, name: string): Promise<boolean> {
      const renamed = await database.execute(
        `update passkeys set name = $4
         where tenant_id = $1 and account_id = $2 and id = $3 and name <> $4`,
        [tenant, accountId, id, name],
      )
      return renamed === 1
    },

    async remove(tenant: string, accountId: string, id: string): Promise<boolean> {
      const removed = await database.execute(
        'delete from passkeys where tenant_id = $1 and account_id = $2 and id = $3',
        [tenant, accountId, id],
      )
      return removed === 1
    },

    /** Deletes user handles with all their keys. */
    async forget(tenant: string, accountIds: string[]): Promise<void> {
      await database.execute(
        'delete from passkey_owners where tenant_id = $1 and account_id = any($2)',
        [tenant, accountIds],
      )
    },
  }
}
