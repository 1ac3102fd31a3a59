import type { Core } from './core.ts'

/**
 * Removes what is over from every table, in small batches, so that tables stay bounded under endless traffic
 * (security class C25, R-19).
 * @returns how many rows
 */
export async function sweepExpired(core: Core): Promise<number> {
  const { shortLived, singleUse, denials, families, sessions, grants, audit, registrationTokens } =
    core
  const stores = [shortLived, singleUse, denials, families, sessions, grants, audit]
  let total = 0
  for (const store of [...stores, registrationTokens]) total += await store.sweep()
  return total
}
