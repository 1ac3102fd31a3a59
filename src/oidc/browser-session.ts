import type { Context } from 'koa'
import type Provider from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { IssuerContext } from './capabilities.ts'

/** The SSO session of a browser, for our own pages. */
export interface BrowserSession {
  /** Who is signed in here, and the session's uid. */
  find(ctx: Context): Promise<{ account: Account; uid: string } | undefined>
  /** Ends the session and takes its cookie back. */
  signOut(ctx: Context): Promise<void>
}

export function createBrowserSession(
  provider: Provider,
  { tenant, accounts, sessions }: IssuerContext,
  cookie: { name: string; path: string; secure: boolean },
): BrowserSession {
  return {
    async find(ctx) {
      const { accountId, uid } = await provider.Session.get(ctx)
      if (accountId === undefined) return undefined
      const account = await accounts.active(tenant, accountId)
      return account && { account, uid }
    },
    async signOut(ctx) {
      const { uid } = await provider.Session.get(ctx)
      await sessions.end(tenant, uid, 'signed_out')
      const { name, ...options } = cookie
      ctx.cookies.set(name, null, { ...options, httpOnly: true, sameSite: 'lax', signed: true })
    },
  }
}
