import Router from '@koa/router'
import type { Middleware } from 'koa'
import { seeOther } from '../http/answer.ts'
import { consentRoutes } from './consent.routes.ts'
import { enrolmentMethods } from './enrolment.routes.ts'
import type { PageParts } from './parts.ts'
import { signInRoutes } from './sign-in.routes.ts'
import { signUpMethods } from './sign-up.routes.ts'
import { createStartAgain } from './start-again.ts'

export const interactionMethods = {
  '/interaction/:uid': ['GET', 'HEAD'],
  '/interaction/:uid/:step': ['GET', 'HEAD', 'POST'],
  ...signUpMethods,
  ...enrolmentMethods,
}

/** The pages that a person sees on the way to a token: `/interaction/:uid` shows the due step. */
export function interactionRoutes(parts: PageParts): Middleware {
  const router = new Router()
  const signIn = signInRoutes(router, parts)
  const showConsent = consentRoutes(router, parts)
  const startAgain = createStartAgain(parts)

  router.get('/interaction/:uid', async (ctx) => {
    const uid = ctx.params['uid'] as string
    // Both are read in one go; the step is used only after the browser has proven that the interaction is its own.
    const [interaction, step] = await Promise.all([
      parts.interactions.find(ctx, uid),
      signIn.stepOf(ctx, uid),
    ])
    startAgain.keep(ctx, interaction)
    if (interaction.step === 'consent') await showConsent(ctx, interaction)
    else await signIn.show(ctx, interaction, step)
  })

  // The URL of a returned form, typed or bookmarked: the URL does not decide which step is due.
  router.get('/interaction/:uid/:step', (ctx) => {
    seeOther(ctx, `${parts.basePath}/interaction/${ctx.params['uid']}`)
  })
  const pages = router.routes() as Middleware
  return (ctx, next) => startAgain.offer(ctx, () => pages(ctx, next))
}
