import type { Clock } from '../clock.ts'
import { createCache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { Tenant } from './tenant.ts'

export interface Tenants {
  /** An enabled tenant, or undefined. */
  find(id: string): Promise<Tenant | undefined>
  /** Every tenant, enabled or not. */
  list(): Promise<ListedTenant[]>
  /** Creates or renames; whether anything changed. */
  declare(tenant: Tenant): Promise<boolean>
  /** Whether it was not there. */
  create(tenant: Tenant): Promise<boolean>
  /** One, enabled or not. @param lock until the transaction of this context ends */
  view(id: string, lock?: boolean): Promise<ListedTenant | undefined>
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
    created_at: column.time,
    disabled_at: nullable(column.time),
  },
})

export function createTenants(deps: { database: Database; clock: Clock }): Tenants {
  const { database, clock } = deps
  const cache = createCache<Tenant | undefined>(deps, { maxAge: 0.5, maxSize: 1000 })

  return {
    find: (id) =>
      cache.get(id, async () => {
        const [row] = await database.query<Tenant>(
          `select id, name from tenants where id = $1 and disabled_at is null`,
          [id],
        )
        return row
      }),
    list: () =>
      database.query<ListedTenant>(
        `select id, name, disabled_at is not null as disabled from tenants order by id`,
      ),
    async view(id, lock = false) {
      const [row] = await database.query<ListedTenant>(
        `select id, name, disabled_at is not null as disabled from tenants where id = $1
         ${lock ? 'for no key update' : ''}`,
        [id],
      )
      return row
    },
    async create({ id, name }) {
      const created = await database.execute(
        `insert into tenants (id, name, created_at) values ($1, $2, $3) on conflict do nothing`,
        [id, name, new Date(clock.now())],
      )
      cache.drop(id)
      return created === 1
    },
    async setDisabled(id, disabled) {
      const changed = await database.execute(
        `update tenants set disabled_at = $2 where id = $1 and (disabled_at is not null) <> $3`,
        [id, disabled ? new Date(clock.now()) : null, disabled],
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
