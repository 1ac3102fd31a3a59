import type { Context } from 'koa'
import { answerRefusal, type RefusalPage } from '../http/errors.ts'
import { requestIdOf } from '../http/request.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import type { FeaturePages } from '../oidc/features.ts'
import { present } from '../present.ts'
import { showOutcome } from './device.routes.ts'
import { ownAddress, type PageContext } from './pages/layout.ts'
import { logoutPage, signedOutPage } from './pages/logout.ts'

/**
 * The pages that the engine renders through us.
 * @param staysSignedIn answers a person who chose to stay signed in; false when nobody did
 */
export function enginePages(
  { tenant, accounts }: IssuerContext,
  pageContext: (ctx: Context) => PageContext,
  refusalPage: RefusalPage,
  staysSignedIn: (ctx: Context) => Promise<boolean>,
): FeaturePages {
  return {
    error(ctx, { error, error_description: description }, thrown) {
      const refusal = {
        status: ctx.status,
        error,
        id: requestIdOf(ctx),
        ...present({ description }),
      }
      const isExpired = thrown.name === 'SessionNotFound'
      answerRefusal(ctx, refusal, (context, shown) =>
        refusalPage(context, isExpired ? { ...shown, error: 'interaction_expired' } : shown),
      )
    },
    device: (ctx, outcome) => showOutcome(ctx, pageContext(ctx), outcome),
    async logout(ctx, { action, xsrf }) {
      const { session, client } = ctx.oidc
      const account = session?.accountId && (await accounts.active(tenant, session.accountId))
      ctx.body = logoutPage(pageContext(ctx), {
        action,
        csrfField: { name: 'xsrf', value: xsrf },
        ...(account ? { email: account.email } : {}),
        ...(client ? { clientName: client.clientName ?? client.clientId } : {}),
      })
    },
    async signedOut(ctx) {
      // The engine also calls this for people who chose to stay.
      if (await staysSignedIn(ctx)) return
      const { client } = ctx.oidc
      ctx.type = 'html'
      const clientName = client?.clientName ?? client?.clientId
      const page = pageContext(ctx)
      ctx.body = signedOutPage(page, {
        signIn: { href: ownAddress(page, '/account') },
        ...present({ clientName }),
      })
    },
  }
}
