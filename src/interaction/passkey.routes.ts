import type Router from '@koa/router'
import { presenterOf } from '../oidc/token-request.ts'
import type { PageParts } from './parts.ts'
import { posted } from './posted.ts'
import type { Next } from './second-factor.routes.ts'
import { stepTtl } from './sign-in-steps.ts'

/** Most answers per sign-in: each costs a signature check. */
const mostTries = 10

/**
 * Signing in with a passkey alone, with user verification. Without a passkey, with somebody else's, or with a disabled
 * account the answer is the same (ASVS 6.3.8).
 */
export function passkeyRoutes(
  router: Router,
  parts: PageParts,
  { proceed, showLogin }: Next,
): void {
  const { tenant, accounts, factors, attempts, clock } = parts

  router.post('/interaction/:uid/passkey', async (ctx) => {
    const { uid, interaction, form } = await posted(parts, ctx, 'login')
    const { credential = '' } = form
    if (credential === '') return showLogin(ctx, interaction, { error: 'passkey', status: 400 })
    const budget = { kind: 'passkey', subject: uid, limit: mostTries, window: stepTtl }
    if (!(await attempts.take(tenant, [budget]))) {
      return showLogin(ctx, interaction, { error: 'passkey', status: 429 })
    }

    // Taken before the passkey is checked: what ends the account's sessions from now on must end this sign-in.
    const verifiedAt = clock.now()
    const shown = { binding: uid, credential }
    const accountId = await factors.passkeys.signIn(tenant, shown, presenterOf(ctx))
    const account = accountId === undefined ? undefined : await accounts.active(tenant, accountId)
    if (!account) return showLogin(ctx, interaction, { error: 'passkey', status: 403 })
    return proceed(ctx, interaction, account, verifiedAt, 'verified_passkey')
  })
}
