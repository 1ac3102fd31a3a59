import type { Core } from './core.ts'

/**
 * Deletes expired rows from every table, in small batches, so that tables stay bounded under continuous traffic
 * (security class C25, R-19). A table that cannot be swept does not keep the others from being swept.
 * @returns the number of rows
 * @throws AggregateError when some tables failed, after all were tried
 */
export async function sweepExpired(core: Core): Promise<number> {
  const { shortLived, singleUse, attempts, denials, families, sessions, grants, audit, outbox } =
    core
  const stores = [
    shortLived,
    singleUse,
    attempts,
    core.lockouts,
    core.places,
    core.actionTokens,
    core.enrolmentTokens,
    core.emailCodes,
    denials,
    families,
    sessions,
    grants,
    audit,
    outbox,
    core.backchannelRequests,
    core.signing,
    core.idempotency,
    core.refusals,
    core.signals,
  ]
  let total = 0
  const errors: unknown[] = []
  for (const store of [...stores, core.registrations, core.changes, core.servedTime]) {
    total += await store.sweep().catch((error: unknown) => {
      errors.push(error)
      return 0
    })
  }
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1)
    throw new AggregateError(errors, `${errors.length} tables could not be swept`)
  return total
}
