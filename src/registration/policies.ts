import type { Audit } from '../audit/audit.ts'
import { changedMembers } from '../audit/changes.ts'
import type { Platform } from '../platform.ts'
import { createCache } from '../storage/cache.ts'
import type { Changes } from '../storage/changes.ts'
import { column, ofTenant, table } from '../storage/table.ts'
import { type RegistrationPolicy, registrationPolicy } from './policy.ts'

/** The registration policy of every tenant. */
export interface RegistrationPolicies {
  /** `off` where none was declared. Changes made on another node show within a second. */
  of(tenant: string): Promise<RegistrationPolicy>
  /** The stored policy, read in the current transaction. */
  read(tenant: string): Promise<RegistrationPolicy>
  declare(tenant: string, policy: RegistrationPolicy): Promise<'created' | 'updated' | 'unchanged'>
}

export const RegistrationPoliciesTable = table('registration_policies', {
  key: ['tenant_id'],
  columns: { tenant_id: column.text, policy: column.json, updated_at: column.time },
  references: { tenant: ofTenant },
})

export function createRegistrationPolicies(
  deps: Pick<Platform, 'database' | 'clock'> & {
    changes: Changes
    audit: Audit
  },
): RegistrationPolicies {
  const { database, clock, audit, changes } = deps
  const cache = createCache<RegistrationPolicy>(deps, {
    maxAge: 60,
    maxSize: 1000,
    changes,
  })
  changes.follow('tenant', { changed: cache.drop, muchChanged: cache.clear })

  async function stored(tenant: string): Promise<RegistrationPolicy | undefined> {
    const [row] = await database.query<{ policy: unknown }>(
      `select policy from registration_policies where tenant_id = $1`,
      [tenant],
    )
    return row && registrationPolicy.parse(row.policy)
  }

  const read = async (tenant: string) => (await stored(tenant)) ?? registrationPolicy.parse({})

  return {
    of: (tenant) => cache.get(tenant, () => read(tenant)),
    read,
    async declare(tenant, policy) {
      const outcome = await database.transaction(async () => {
        const known = await stored(tenant)
        const changed = await database.execute(
          `insert into registration_policies as p (tenant_id, policy, updated_at) values ($1, $2, $3)
           on conflict (tenant_id) do update set policy = excluded.policy, updated_at = excluded.updated_at
             where p.policy <> excluded.policy`,
          [tenant, JSON.stringify(policy), new Date(clock.now())],
        )
        if (changed > 0) {
          const members = changedMembers(known, policy)
          await audit.record(tenant, { type: 'registration.policy_changed', detail: { members } })
        }
        return known ? (changed > 0 ? 'updated' : 'unchanged') : 'created'
      })
      cache.drop(tenant)
      return outcome
    },
  }
}
