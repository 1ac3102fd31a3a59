import type { Clock } from '../clock.ts'
import { createCache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { Tenant, TenantPolicy } from './tenant.ts'

export interface Tenants {
  /** An enabled tenant, or undefined. */
  find(id: string): Promise<Tenant | undefined>
  /** Every tenant, enabled or not. */
  list(): Promise<ListedTenant[]>
  /** Creates or renames; whether anything changed. */
  declare(tenant: Pick<Tenant, 'id' | 'name'>): Promise<boolean>
  /** Changes what is named, and nothing else; whether anything changed. Other nodes know it within half a second. */
  setPolicy(
    id: string,
    policy: { [K in keyof TenantPolicy]?: TenantPolicy[K] | undefined },
  ): Promise<boolean>
  /** Whether anything changed; a disabled tenant answers nothing. */
  setDisabled(id: string, disabled: boolean): Promise<boolean>
}

export interface ListedTenant extends Tenant {
  disabled: boolean
}

export const TenantsTable = table('tenants', {
  key: ['id'],
  columns: {
    id: column.text,
    name: column.text,
    require_mfa: nullable(column.flag),
    email_codes: nullable(column.flag),
    created_at: column.time,
    disabled_at: nullable(column.time),
  },
})

const policyColumns =
  'coalesce(require_mfa, false) as "requireMfa", coalesce(email_codes, false) as "emailCodes"'

export function createTenants(deps: { database: Database; clock: Clock }): Tenants {
  const { database, clock } = deps
  const cache = createCache<Tenant | undefined>(deps, { maxAge: 0.5, maxSize: 1000 })

  return {
    find: (id) =>
      cache.get(id, async () => {
        const [row] = await database.query<Tenant>(
          `select id, name, ${policyColumns} from tenants where id = $1 and disabled_at is null`,
          [id],
        )
        return row
      }),
    list: () =>
      database.query<ListedTenant>(
        `select id, name, ${policyColumns}, disabled_at is not null as disabled
         from tenants order by id`,
      ),
    async setDisabled(id, disabled) {
      const changed = await database.execute(
        `update tenants set disabled_at = $2 where id = $1 and (disabled_at is not null) <> $3`,
        [id, disabled ? new Date(clock.now()) : null, disabled],
      )
      cache.drop(id)
      return changed > 0
    },
    async setPolicy(id, { requireMfa, emailCodes }) {
      const changed = await database.execute(
        `update tenants set require_mfa = coalesce($2, require_mfa), email_codes = coalesce($3, email_codes)
         where id = $1 and ($2 <> coalesce(require_mfa, false) or $3 <> coalesce(email_codes, false))`,
        [id, requireMfa ?? null, emailCodes ?? null],
      )
      cache.drop(id)
      return changed > 0
    },
    async declare({ id, name }) {
      const changed = await database.execute(
        `insert into tenants (id, name, created_at) values ($1, $2, $3)
         on conflict (id) do update set name = excluded.name where tenants.name <> excluded.name`,
        [id, name, new Date(clock.now())],
      )
      cache.drop(id)
      return changed > 0
    },
  }
}
