import type { Audit } from '../audit/audit.ts'
import type { Platform } from '../platform.ts'
import { createCache } from '../storage/cache.ts'
import type { Changes } from '../storage/changes.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { SignUp, Tenant, TenantPolicy } from './tenant.ts'

export interface Tenants {
  /** An enabled tenant, or undefined. */
  find(id: string): Promise<Tenant | undefined>
  /** Every tenant, enabled or not. */
  list(): Promise<ListedTenant[]>
  /** Creates or renames a tenant. @returns whether anything changed */
  declare(tenant: Pick<Tenant, 'id' | 'name'>): Promise<boolean>
  /** Sets who may sign up. @returns whether anything changed */
  declareSignUp(id: string, signUp: SignUp): Promise<boolean>
  /** Changes only the given members. @returns whether anything changed; other nodes see it within a second */
  setPolicy(
    id: string,
    policy: { [K in keyof TenantPolicy]?: TenantPolicy[K] | undefined },
  ): Promise<boolean>
  /** @returns false when it existed already */
  create(tenant: Pick<Tenant, 'id' | 'name'>): Promise<boolean>
  /** A tenant, enabled or not. @param lock until the transaction of this context ends */
  view(id: string, lock?: boolean): Promise<ListedTenant | undefined>
  /** @returns whether anything changed. A disabled tenant answers nothing */
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
    sign_up: { ...column.text, default: 'closed' },
    sign_up_domains: { ...column.texts, default: [] },
  },
  check: ['sign_up'],
})

interface Row {
  id: string
  name: string
  sign_up: SignUp['mode']
  sign_up_domains: string[]
  requireMfa: boolean
  emailCodes: boolean
}

const toTenant = ({ sign_up: mode, sign_up_domains: domains, ...row }: Row): Tenant => ({
  id: row.id,
  name: row.name,
  signUp: { mode, domains },
  requireMfa: row.requireMfa,
  emailCodes: row.emailCodes,
})

const policyColumns = `sign_up, sign_up_domains, coalesce(require_mfa, false) as "requireMfa",
  coalesce(email_codes, false) as "emailCodes"`

export function createTenants(
  deps: Pick<Platform, 'database' | 'clock'> & {
    changes: Changes
    audit: Audit
  },
): Tenants {
  const { database, clock, audit, changes } = deps
  const cache = createCache<Tenant | undefined>(deps, {
    maxAge: 60,
    maxSize: 1000,
    changes,
  })
  changes.follow('tenant', { changed: cache.drop, muchChanged: cache.clear })

  function recordPolicy(id: string, members: Record<string, unknown>): Promise<void> {
    return audit.record(id, {
      type: 'tenant.policy_changed',
      detail: { by: 'operator', ...members },
    })
  }

  return {
    find: (id) =>
      cache.get(id, async () => {
        const [row] = await database.query<Row>(
          `select id, name, ${policyColumns} from tenants where id = $1 and disabled_at is null`,
          [id],
        )
        return row && toTenant(row)
      }),
    async list() {
      const rows = await database.query<Row & { disabled: boolean }>(
        `select id, name, ${policyColumns}, disabled_at is not null as disabled
         from tenants order by id`,
      )
      return rows.map((row) => ({ ...toTenant(row), disabled: row.disabled }))
    },
    async view(id, lock = false) {
      const [row] = await database.query<Row & { disabled: boolean }>(
        `select id, name, ${policyColumns}, disabled_at is not null as disabled
         from tenants where id = $1 ${lock ? 'for no key update' : ''}`,
        [id],
      )
      return row && { ...toTenant(row), disabled: row.disabled }
    },
    async create({ id, name }) {
      const created = await database.transaction(async () => {
        const rows = await database.execute(
          `insert into tenants (id, name, created_at) values ($1, $2, $3) on conflict do nothing`,
          [id, name, new Date(clock.now())],
        )
        if (rows === 0) return false
        await audit.record(id, { type: 'tenant.created', detail: { members: ['id', 'name'] } })
        return true
      })
      cache.drop(id)
      return created
    },
    async setDisabled(id, disabled) {
      const changed = await database.execute(
        `update tenants set disabled_at = $2 where id = $1 and (disabled_at is not null) <> $3`,
        [id, disabled ? new Date(clock.now()) : null, disabled],
      )
      cache.drop(id)
      return changed > 0
    },
    async setPolicy(id, { requireMfa, emailCodes }) {
      const changed = await database.transaction(async () => {
        const rows = await database.execute(
          `update tenants set require_mfa = coalesce($2, require_mfa), email_codes = coalesce($3, email_codes)
           where id = $1 and ($2 <> coalesce(require_mfa, false) or $3 <> coalesce(email_codes, false))`,
          [id, requireMfa ?? null, emailCodes ?? null],
        )
        if (rows > 0) await recordPolicy(id, { require_mfa: requireMfa, email_codes: emailCodes })
        return rows > 0
      })
      cache.drop(id)
      return changed
    },
    async declare({ id, name }) {
      const changed = await database.transaction(async () => {
        const [row] = await database.query<{ created: boolean }>(
          `insert into tenants (id, name, created_at) values ($1, $2, $3)
           on conflict (id) do update set name = excluded.name where tenants.name <> excluded.name
           returning xmax = 0 as created`,
          [id, name, new Date(clock.now())],
        )
        if (!row) return false
        const type = row.created ? 'tenant.created' : 'tenant.updated'
        const members = row.created ? ['id', 'name'] : ['name']
        await audit.record(id, { type, detail: { members } })
        return true
      })
      cache.drop(id)
      return changed
    },
    async declareSignUp(id, { mode, domains }) {
      const sorted = [...new Set(domains)].toSorted()
      const changed = await database.transaction(async () => {
        const rows = await database.execute(
          `update tenants set sign_up = $2, sign_up_domains = $3
           where id = $1 and (sign_up, sign_up_domains) is distinct from ($2, $3::text[])`,
          [id, mode, sorted],
        )
        if (rows > 0) await recordPolicy(id, { sign_up: mode, sign_up_domains: sorted })
        return rows > 0
      })
      cache.drop(id)
      return changed
    },
  }
}
