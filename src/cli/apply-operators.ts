import type { Work } from './apply-work.ts'

/**
 * A file must not remove the last operator of a tenant: nobody could sign in to repair it.
 * @param before e-mail addresses of operators by tenant
 */
export function checkOperators(
  { faults }: Work,
  before: ReadonlyMap<string, string[]>,
  after: ReadonlyMap<string, string[]>,
): void {
  for (const [tenant, [last]] of before) {
    if (last === undefined || (after.get(tenant) ?? []).length > 0) continue
    faults.push(
      `account ${last}: expected at least one enabled operator of tenant ${tenant} to remain, got none`,
    )
  }
}
