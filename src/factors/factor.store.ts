import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import type { SealedColumn } from '../secrets/sealed-column.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { SecondFactor } from './second-factor.ts'

const ofAccount: [string, string[], string[]] = [
  'accounts',
  ['tenant_id', 'account_id'],
  ['tenant_id', 'id'],
]

export const SecondFactorsTable = table('second_factors', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    account_id: column.text,
    kind: column.text,
    name: column.text,
    sealed: column.text,
    last_step: column.count,
    created_at: column.time,
    last_used_at: nullable(column.time),
  },
  references: { account: ofAccount },
  index: { account: ['tenant_id', 'account_id'] },
})

export const RecoveryCodesTable = table('recovery_codes', {
  key: ['tenant_id', 'account_id', 'mac'],
  columns: {
    tenant_id: column.text,
    account_id: column.text,
    mac: column.text,
    created_at: column.time,
    used_at: nullable(column.time),
  },
  references: { account: ofAccount },
})

const purpose = (tenant: string, id: string) => `second-factor:${tenant}:${id}`

export const sealedFactorSecrets: SealedColumn = {
  table: 'second_factors',
  key: ['tenant_id', 'id'],
  column: 'sealed',
  purpose,
}

interface Row {
  id: string
  kind: 'totp'
  name: string
  sealed: string
  created_at: Date
  last_used_at: Date | null
}

export interface StoredFactor extends SecondFactor {
  sealed: string
}

export function createFactorStore({
  database,
  clock,
  sealer,
}: Pick<Platform, 'database' | 'clock' | 'sealer'>) {
  const now = () => new Date(clock.now())

  return {
    /**
     * Locks the factors of an account, and the validity of its sign-ins, until the transaction ends.
     * @param verifiedAt when the password of a sign-in was checked, in milliseconds; now when absent
     * @returns whether that sign-in is still valid
     */
    async hold(tenant: string, accountId: string, verifiedAt = now().getTime()): Promise<boolean> {
      const [account] = await database.query<{ counts: boolean }>(
        `select disabled_at is null and (sign_ins_not_before is null or sign_ins_not_before < $3) as counts
           from accounts where tenant_id = $1 and id = $2 for no key update`,
        [tenant, accountId, new Date(verifiedAt)],
      )
      return account?.counts === true
    },

    /** The given accounts that have any factor. */
    async owners(tenant: string, accountIds: string[]): Promise<string[]> {
      const rows = await database.query<{ account_id: string }>(
        `select account_id from second_factors where tenant_id = $1 and account_id = any($2)
         union select account_id from passkeys where tenant_id = $1 and account_id = any($2)`,
        [tenant, accountIds],
      )
      return rows.map(({ account_id }) => account_id)
    },

    /** Whether the password is long enough only with a second factor. */
    async hasShortPassword(tenant: string, accountId: string): Promise<boolean> {
      const short = await database.query(
        'select 1 from passwords where tenant_id = $1 and account_id = $2 and short',
        [tenant, accountId],
      )
      return short.length > 0
    },

    /** What a sign-in requires besides a password: any factor takes precedence over codes by e-mail. */
    async asked(tenant: string, accountId: string): Promise<'factor' | 'email_code' | undefined> {
      const [row] = await database.query<{ asked: 'factor' | 'email_code' | null }>(
        `select case
           when exists (select from second_factors f where f.tenant_id = a.tenant_id and f.account_id = a.id)
             or exists (select from passkeys p where p.tenant_id = a.tenant_id and p.account_id = a.id) then 'factor'
           when a.email_codes_since is not null then 'email_code' end as asked
         from accounts a where a.tenant_id = $1 and a.id = $2`,
        [tenant, accountId],
      )
      return row?.asked ?? undefined
    },

    async list(tenant: string, accountId: string): Promise<StoredFactor[]> {
      const rows = await database.query<Row>(
        `select id, kind, name, sealed, created_at, last_used_at from second_factors
         where tenant_id = $1 and account_id = $2 order by created_at, id`,
        [tenant, accountId],
      )
      return rows.map(({ created_at, last_used_at, ...row }) => ({
        ...row,
        createdAt: created_at.getTime(),
        ...present({ lastUsedAt: last_used_at?.getTime() }),
      }))
    },

    /** The secret of an app, base32. */
    secretOf: (tenant: string, { id, sealed }: StoredFactor) =>
      sealer.open(purpose(tenant, id), sealed),

    /** Requires a transaction, for which the secret is sealed. */
    async insert(
      tenant: string,
      accountId: string,
      factor: { id: string; name: string; secret: string; lastStep: number },
    ): Promise<void> {
      const sealed = await sealer.seal(purpose(tenant, factor.id), factor.secret)
      await database.execute(
        `insert into second_factors (tenant_id, id, account_id, kind, name, sealed, last_step, created_at)
         values ($1, $2, $3, 'totp', $4, $5, $6, $7)`,
        [tenant, factor.id, accountId, factor.name, sealed, factor.lastStep, now()],
      )
    },

    /** Consumes a time step and all earlier ones: true for one caller alone (RFC 6238 §5.2). */
    async spendStep(tenant: string, id: string, step: number): Promise<boolean> {
      const spent = await database.execute(
        `update second_factors set last_step = $3, last_used_at = $4
         where tenant_id = $1 and id = $2 and last_step < $3`,
        [tenant, id, step, now()],
      )
      return spent === 1
    },

    async rename(tenant: string, accountId: string, id: string, name: string): Promise<boolean> {
      const renamed = await database.execute(
        `update second_factors set name = $4
         where tenant_id = $1 and account_id = $2 and id = $3 and name <> $4`,
        [tenant, accountId, id, name],
      )
      return renamed === 1
    },

    async remove(tenant: string, accountId: string, id: string): Promise<boolean> {
      const removed = await database.execute(
        'delete from second_factors where tenant_id = $1 and account_id = $2 and id = $3',
        [tenant, accountId, id],
      )
      return removed === 1
    },

    /** Replaces all recovery codes. */
    async replaceCodes(tenant: string, accountId: string, macs: string[]): Promise<void> {
      await database.execute(
        'delete from recovery_codes where tenant_id = $1 and account_id = $2',
        [tenant, accountId],
      )
      await database.execute(
        `insert into recovery_codes (tenant_id, account_id, mac, created_at)
         select $1, $2, mac, $4 from unnest($3::text[]) as mac`,
        [tenant, accountId, macs, now()],
      )
    },

    /** Consumes a recovery code: true for one caller alone. */
    async spendCode(tenant: string, accountId: string, mac: string): Promise<boolean> {
      const spent = await database.execute(
        `update recovery_codes set used_at = $4
         where tenant_id = $1 and account_id = $2 and mac = $3 and used_at is null`,
        [tenant, accountId, mac, now()],
      )
      return spent === 1
    },

    async codesLeft(tenant: string, accountId: string): Promise<number> {
      const [row] = await database.query<{ left: string }>(
        `select count(*) as left from recovery_codes
         where tenant_id = $1 and account_id = $2 and used_at is null`,
        [tenant, accountId],
      )
      return Number(row?.left)
    },
  }
}
