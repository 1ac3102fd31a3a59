import type { Core } from './core.ts'

/**
 * Removes what is over from every table, in small batches, so that tables stay bounded under endless traffic
 * (security class C25, R-19).
 * @returns how many rows
 */
export async function sweepExpired(core: Core): Promise<number> {
  const { shortLived, singleUse, attempts, denials, families, sessions, grants, audit, outbox } =
    core
  const stores = [
    shortLived,
    singleUse,
    attempts,
    denials,
    families,
    sessions,
    grants,
    audit,
    outbox,
    core.signing,
  ]
  let total = 0
  for (const store of [...stores, core.registrationTokens]) total += await store.sweep()
  return total
}
