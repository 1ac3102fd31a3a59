import type { Context } from 'koa'
import type Provider from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import { DomainError } from '../errors.ts'
import { hashOf, newHandle } from '../secrets/handle.ts'
import { multiFactor, tenantNeedsFactor } from './authentication-context.ts'
import type { IssuerContext } from './capabilities.ts'
import { signOut } from './signed-out.ts'

/** Who is signed in, and how. */
export interface SignedIn {
  account: Account
  /** Names the session. */
  uid: string
  /** Seconds since the epoch. */
  signedInAt: number
  withSecondFactor: boolean
  /** With a code of any kind, one by e-mail included. */
  withCode: boolean
}

/** The SSO session of a browser, for our own pages. */
export interface BrowserSession {
  /** The user signed in here; undefined if the tenant now requires a second factor that the session lacks. */
  find(ctx: Context): Promise<SignedIn | undefined>
  /** Like `find`, even without that factor: for what ends the session. */
  whose(ctx: Context): Promise<SignedIn | undefined>
  /**
   * Gives the session of this browser another handle, in the transaction of the change that requires it (ASVS 7.2.4).
   * @returns sets the cookie; to be called when the transaction has ended
   * @throws DomainError `session_changed` when the session ended concurrently
   */
  renew(ctx: Context): Promise<() => void>
  /** Ends the session and takes its cookie back. */
  signOut(ctx: Context): Promise<void>
}

export function createBrowserSession(
  provider: Provider,
  context: IssuerContext,
  cookie: { name: string; path: string; secure: boolean },
): BrowserSession {
  const { tenant, accounts, sessions } = context
  const own = { httpOnly: true, sameSite: 'lax', signed: true } as const

  async function whose(ctx: Context): Promise<SignedIn | undefined> {
    const { accountId, uid, loginTs = 0, acr, amr } = await provider.Session.get(ctx)
    if (accountId === undefined) return undefined
    const account = await accounts.active(tenant, accountId)
    const withSecondFactor = acr === multiFactor
    const withCode = amr?.includes('otp') ?? false
    return account && { account, uid, signedInAt: loginTs, withSecondFactor, withCode }
  }

  return {
    async find(ctx) {
      const found = await whose(ctx)
      if (!found || found.withSecondFactor) return found
      return (await tenantNeedsFactor(context)) ? undefined : found
    },
    whose,
    async renew(ctx) {
      const { uid, jti, exp } = await provider.Session.get(ctx)
      const handle = newHandle()
      if (!(await sessions.renew(tenant, uid, hashOf(jti), hashOf(handle)))) {
        throw new DomainError('session_changed', { detail: 'the session ended meanwhile' })
      }
      const { name, ...options } = cookie
      const expires = exp === undefined ? {} : { expires: new Date(exp * 1000) }
      return () => {
        ctx.cookies.set(name, handle, { ...options, ...own, ...expires })
      }
    },
    async signOut(ctx) {
      const { uid, accountId } = await provider.Session.get(ctx)
      await signOut(context, { uid, accountId })
      const { name, ...options } = cookie
      ctx.cookies.set(name, null, { ...options, ...own })
    },
  }
}
