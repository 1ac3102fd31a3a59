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
  /** When its password was checked, in milliseconds. */
  verifiedAt: number
  /** How (RFC 8176). */
  amr: readonly string[]
  /** What the browser's cookie says of the accounts it has signed in with. */
  cookie: string | undefined
}

/**
 * What a finished sign-in leaves behind, in one transaction: wrong guesses are forgotten, and its event says what was
 * unusual about it.
 * @returns false for one that was voided meanwhile: nothing is left of it
 */
export async function noteSignIn(parts: PageParts, ctx: Context, signIn: SignIn): Promise<boolean> {
  const { tenant, database, accounts, lockouts, places, audit } = parts
  const { account, verifiedAt, amr, cookie } = signIn
  const { ip, userAgent } = presenterOf(ctx)
  let isNoted = false
  await database.unit(async (unit) => {
    await unit.open()
    // The account comes first: whoever resets its password takes the locks in this order, too.
    const [held, visit] = await unit.together(() =>
      Promise.all([
        accounts.holdSignIn(tenant, account.id, verifiedAt),
        places.visit(tenant, account.id, ctx.ip),
        lockouts.signedIn(tenant, account.id),
      ]),
    )
    if (!held) return false
    // Whoever was signed out everywhere may have known the browser since.
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
    // The event is the last: it travels with the end of the transaction.
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
 * Tells the owner that a browser signed in which had not before (ASVS 6.3.5), in one mail, whatever else is new: a known
 * browser in another country is its owner on a journey, and told in the history alone. Only at an address that is known to be
 * theirs: a stranger's mailbox is not to learn who signs in from where.
 */
async function tellOfNewDevice(
  { mail, pageContext }: PageParts,
  ctx: Context,
  { tenant, id: accountId, email: to, emailVerified }: Account,
  { country, isNewCountry }: Visit,
): Promise<void> {
  if (!emailVerified) return
  const { locale: language, account } = pageContext(ctx).messages
  // In our words alone: what a program makes up about itself has no place in our mail.
  const device = knownDevice(presenterOf(ctx).userAgent, account.device)
  const kind = isNewCountry ? 'new_country' : 'new_device'
  await mail.send(tenant, { kind, accountId, language, to, ip: ctx.ip, device, country })
}
