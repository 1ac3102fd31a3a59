import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { Audit } from '../audit/audit.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'
import type { Mail } from '../mail/mail.ts'
import { presenterOf } from '../oidc/token-request.ts'
import type { Places } from '../places/places.ts'
import type { Database } from '../storage/database.ts'
import type { PageContext } from './pages/layout.ts'

export interface NotedSignInParts {
  tenant: string
  database: Database
  lockouts: Lockouts
  places: Places
  audit: Audit
  mail: Mail
  pageContext(ctx: Context): PageContext
}

interface SignIn {
  account: Account
  /** How (RFC 8176). */
  amr: readonly string[]
  /** What the browser's cookie says of the accounts it has signed in with. */
  knownDevice: string | undefined
}

/**
 * What a finished sign-in leaves behind, in one transaction: wrong guesses are forgotten, and its event says what was
 * unusual about it.
 */
export async function noteSignIn(
  parts: NotedSignInParts,
  ctx: Context,
  signIn: SignIn,
): Promise<void> {
  const { tenant, database, lockouts, places, audit } = parts
  const { account, amr, knownDevice } = signIn
  const { ip, userAgent } = presenterOf(ctx)
  const isNewDevice = lockouts.devices.find(knownDevice, tenant, account.id) === undefined
  await database.transaction(async () => {
    // The account comes first: whoever resets its password takes the locks in this order, too.
    const { isNewNetwork } = await places.visit(tenant, account.id, ctx.ip)
    await lockouts.signedIn(tenant, account.id)
    if (isNewDevice) await tellOfNewDevice(parts, ctx, account)
    await audit.record(tenant, {
      type: 'account.signed_in',
      accountId: account.id,
      ip,
      userAgent,
      detail: {
        amr,
        ...(isNewDevice ? { new_device: true } : {}),
        ...(isNewNetwork ? { new_network: true } : {}),
      },
    })
  })
}

/**
 * Tells the owner that a browser signed in which had not before (ASVS 6.3.5). Only at an address that is known to be
 * theirs: a stranger's mailbox is not to learn who signs in from where.
 */
async function tellOfNewDevice(
  { mail, pageContext }: NotedSignInParts,
  ctx: Context,
  { tenant, id: accountId, email: to, emailVerified }: Account,
): Promise<void> {
  if (!emailVerified) return
  const { locale: language } = pageContext(ctx).messages
  await mail.send(tenant, { kind: 'new_device', accountId, language, to, ip: ctx.ip })
}
