import Router from '@koa/router'
import type { Middleware } from 'koa'
import { type ConsentParts, consentRoutes } from './consent.routes.ts'
import { type SignInParts, signInRoutes } from './sign-in.routes.ts'

/** The pages a person sees on the way to a token: `/interaction/:uid` shows the step that is due. */
export function interactionRoutes(parts: SignInParts & ConsentParts): Middleware {
  const router = new Router()
  const steps = { login: signInRoutes(router, parts), consent: consentRoutes(router, parts) }

  router.get('/interaction/:uid', async (ctx) => {
    const interaction = await parts.interactions.find(ctx, ctx.params['uid'] as string)
    await steps[interaction.step](ctx, interaction)
  })
  return router.routes() as Middleware
}
