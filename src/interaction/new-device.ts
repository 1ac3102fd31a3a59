import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'
import type { Mail } from '../mail/mail.ts'
import type { PageContext } from './pages/layout.ts'

/**
 * Tells the owner that a browser signed in which had not before (ASVS 6.3.5). Only at an address that is known to be
 * theirs: a stranger's mailbox is not to learn who signs in from where.
 * @param known what the browser's cookie says of the accounts it has signed in with
 */
export async function tellOfNewDevice(
  parts: {
    lockouts: Lockouts
    mail: Mail
    pageContext(ctx: Context): PageContext
  },
  ctx: Context,
  account: Account,
  known: string | undefined,
): Promise<void> {
  const { tenant, id: accountId, email: to, emailVerified } = account
  if (!emailVerified || parts.lockouts.devices.find(known, tenant, accountId) !== undefined) return
  const { locale: language } = parts.pageContext(ctx).messages
  await parts.mail.send(tenant, { kind: 'new_device', accountId, language, to, ip: ctx.ip })
}
