import type { Factors } from '../factors/factors.ts'
import type { MailedCodes } from '../factors/mailed-codes.ts'
import type { SignedIn } from '../oidc/browser-session.ts'

/** Whether a session lacks the second step that its account has by now: it may be older (ASVS 7.5.1). */
export async function lacksStep(
  { tenant, factors, mailedCodes }: { tenant: string; factors: Factors; mailedCodes: MailedCodes },
  { account, withSecondFactor, withCode }: SignedIn,
): Promise<boolean> {
  if (withSecondFactor) return false
  if (await factors.asked(tenant, account.id)) return true
  return !withCode && (await mailedCodes.since(tenant, account.id)) !== undefined
}
