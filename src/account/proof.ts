import type { PageParts } from '../interaction/parts.ts'
import type { SignedIn } from '../oidc/browser-session.ts'

/** Whether a session lacks the second step that its account requires: the session may be older (ASVS 7.5.1). */
export async function lacksStep(
  { tenant, factors, mailedCodes }: PageParts,
  { account, withSecondFactor, withCode }: SignedIn,
): Promise<boolean> {
  if (withSecondFactor) return false
  if (await factors.asked(tenant, account.id)) return true
  return !withCode && (await mailedCodes.since(tenant, account.id)) !== undefined
}
