import type { Core } from './core.ts'

/** Any 64-bit number serves; it only must differ from other advisory locks. */
const lock = 4_917_260_332

/**
 * Removes what is over from every table, in small batches, on whichever node holds the lock; the others have nothing
 * to do. Tables stay bounded under endless traffic (security class C25, R-19).
 * @returns how many rows; undefined when another node is at it
 */
export async function sweepExpired(core: Core): Promise<number | undefined> {
  const { database, shortLived, singleUse, denials, families, sessions, grants, audit } = core
  return database.transaction(async () => {
    const [row] = await database.query<{ held: boolean }>(
      'select pg_try_advisory_xact_lock($1) as held',
      [lock],
    )
    if (!row?.held) return undefined
    let total = 0
    const stores = [
      shortLived,
      singleUse,
      denials,
      families,
      sessions,
      grants,
      audit,
      core.registrationTokens,
    ]
    for (const store of stores) total += await store.sweep()
    return total
  })
}
