import type { Context } from 'koa'
import type Provider from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import { multiFactor } from './authentication-context.ts'
import type { IssuerContext } from './capabilities.ts'

/** Who is signed in, and how. */
export interface SignedIn {
  account: Account
  /** Of the session. */
  uid: string
  /** Seconds since the epoch. */
  signedInAt: number
  /** Whether with a second factor. */
  withSecondFactor: boolean
}

/** The SSO session of a browser, for our own pages. */
export interface BrowserSession {
  /** Who is signed in here. */
  find(ctx: Context): Promise<SignedIn | undefined>
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
      const { accountId, uid, loginTs = 0, acr } = await provider.Session.get(ctx)
      if (accountId === undefined) return undefined
      const account = await accounts.active(tenant, accountId)
      const withSecondFactor = acr === multiFactor
      return account && { account, uid, signedInAt: loginTs, withSecondFactor }
    },
    async signOut(ctx) {
      const { uid } = await provider.Session.get(ctx)
      await sessions.end(tenant, uid, 'signed_out')
      const { name, ...options } = cookie
      ctx.cookies.set(name, null, { ...options, httpOnly: true, sameSite: 'lax', signed: true })
    },
  }
}
