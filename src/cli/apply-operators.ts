import type { Work } from './apply-work.ts'
import type { StoredItem, StoredSections } from './stored.ts'

/** A file must not leave a tenant that has an operator without one: nobody could sign in to put it right. */
export function checkOperators(
  { faults }: Work,
  tenant: string,
  before: StoredSections,
  after: StoredSections,
): void {
  const [last] = before.accounts.filter(operates)
  if (!last || after.accounts.some(operates)) return
  faults.push(
    `account ${String(last['email'])}: expected one operator of tenant ${tenant} to stay who is not disabled, got none`,
  )
}

function operates({ roles, disabled }: StoredItem): boolean {
  return disabled !== true && Array.isArray(roles) && roles.includes('operator')
}
