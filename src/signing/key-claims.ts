import type { Platform } from '../platform.ts'
import { newHandle } from '../secrets/handle.ts'
import { column, ofTenant, table } from '../storage/table.ts'
import type { SigningAlg } from './signing-key.ts'

/**
 * Claims to make a key. A large RSA key takes seconds of a processor, and of several only one would be kept. Claims
 * only save work: the transaction that inserts the key decides, even if a claim ran out too early.
 */
export interface KeyClaims {
  /** @returns the result of `work`; undefined when another process holds the claim, or did until a moment ago */
  whileHeld<T>(tenant: string, alg: SigningAlg, work: () => Promise<T>): Promise<T | undefined>
}

/** Milliseconds without renewal after which a claim lapses, as its process counts as dead. */
export const claimLife = 15_000
const renewEvery = 5000

export const SigningKeyClaimsTable = table('signing_key_claims', {
  key: ['tenant_id', 'alg'],
  columns: {
    tenant_id: column.text,
    alg: column.text,
    holder: column.text,
    until: column.time,
  },
  references: { tenant: ofTenant },
})

export function createKeyClaims({
  database,
  clock,
  log,
}: Pick<Platform, 'database' | 'clock' | 'log'>): KeyClaims {
  const until = () => new Date(clock.now() + claimLife)

  async function take(tenant: string, alg: SigningAlg, holder: string): Promise<boolean> {
    const taken = await database.execute(
      `insert into signing_key_claims (tenant_id, alg, holder, until) values ($1, $2, $3, $4)
       on conflict (tenant_id, alg) do update set holder = excluded.holder, until = excluded.until
         where signing_key_claims.until <= $5`,
      [tenant, alg, holder, until(), new Date(clock.now())],
    )
    return taken > 0
  }

  return {
    async whileHeld(tenant, alg, work) {
      // No claim inside a transaction, where others would wait for its row.
      if (database.current()?.isOpen()) return work()
      const holder = newHandle()
      if (!(await take(tenant, alg, holder))) return undefined
      const claim = [tenant, alg, holder]
      const mine = 'tenant_id = $1 and alg = $2 and holder = $3'
      const ended = (err: Error) => log.debug({ err, tenant, alg }, 'claim of a signing key')
      const timer = setInterval(() => {
        database
          .execute(`update signing_key_claims set until = $4 where ${mine}`, [...claim, until()])
          .catch(ended)
      }, renewEvery).unref()
      try {
        return await work()
      } finally {
        clearInterval(timer)
        // If this fails, the claim lapses.
        await database.execute(`delete from signing_key_claims where ${mine}`, claim).catch(ended)
      }
    },
  }
}
