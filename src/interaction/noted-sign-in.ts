import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { AuditEvent } from '../audit/audit.ts'
import { knownDevice } from '../families/device.ts'
import { presenterOf } from '../oidc/token-request.ts'
import type { Visit } from '../places/places.ts'
import { present } from '../present.ts'
import type { PageParts } from './parts.ts'

interface SignIn {
  account: Account
  /** When the password was checked, in milliseconds. */
  verifiedAt: number
  /** Authentication methods (RFC 8176). */
  amr: readonly string[]
  /** The cookie of known devices. */
  cookie: string | undefined
}

/**
 * Records a finished sign-in in one transaction: resets the counts of wrong guesses, and writes an event with what was
 * unusual.
 * @returns false for a sign-in that was voided concurrently: nothing is recorded
 */
export async function noteSignIn(parts: PageParts, ctx: Context, signIn: SignIn): Promise<boolean> {
  const { tenant, database, accounts, lockouts, places, audit } = parts
  const { account, verifiedAt, amr, cookie } = signIn
  const { ip, userAgent } = presenterOf(ctx)
  let isNoted = false
  await database.unit(async (unit) => {
    await unit.open()
    // The account is locked first: a password reset takes the locks in the same order.
    const [held, visit] = await unit.together(() =>
      Promise.all([
        accounts.holdSignIn(tenant, account.id, verifiedAt),
        places.visit(tenant, account.id, ctx.ip),
        lockouts.signedIn(tenant, account.id),
      ]),
    )
    if (!held) return false
    // An attacker who was signed out everywhere may have made the browser known before.
    const since = Math.floor(held.voidedAt / 1000)
    const isNewDevice = lockouts.devices.find(cookie, tenant, account.id, since) === undefined
    if (isNewDevice) await tellOfNewDevice(parts, ctx, account, visit)
    const event: AuditEvent = {
      type: 'account.signed_in',
      accountId: account.id,
      ip,
      userAgent,
      detail: {
        amr,
        ...(isNewDevice ? { new_device: true } : {}),
        ...(visit.isNewNetwork ? { new_network: true } : {}),
        ...present({ country: visit.country }),
        ...(visit.isNewCountry ? { new_country: true } : {}),
      },
    }
    // The event is the last statement: it is sent together with COMMIT.
    unit.commitWith(async () => {
      await audit.record(tenant, event)
      isNoted = true
      return true
    })
    return true
  })
  if (isNoted) parts.metrics.count('keyturn_sign_ins_total', { outcome: 'signed_in' })
  return isNoted
}

/**
 * Notifies the owner of a sign-in from a new browser (ASVS 6.3.5), in one mail whatever else is new. A known browser in
 * another country is its owner on a journey and only shown in the history. Only to a verified address: anyone else must
 * not learn who signs in from where.
 */
async function tellOfNewDevice(
  { mail, pageContext }: PageParts,
  ctx: Context,
  { tenant, id: accountId, email: to, emailVerified }: Account,
  { country, isNewCountry }: Visit,
): Promise<void> {
  if (!emailVerified) return
  const { locale: language, account } = pageContext(ctx).messages
  // In our own words: a user agent string can contain anything, and must not be in our mail.
  const device = knownDevice(presenterOf(ctx).userAgent, account.device)
  const kind = isNewCountry ? 'new_country' : 'new_device'
  await mail.send(tenant, { kind, accountId, language, to, ip: ctx.ip, device, country })
}
