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

/** The pages a person sees on the way to a token: `/interaction/:uid` shows the step that is due. */
export function interactionRoutes(parts: PageParts): Middleware {
  const router = new Router()
  const signIn = signInRoutes(router, parts)
  const showConsent = consentRoutes(router, parts)
  const startAgain = createStartAgain(parts)

  router.get('/interaction/:uid', async (ctx) => {
    const uid = ctx.params['uid'] as string
    // Asked for in one go, and looked at when the browser has shown whose it is.
    const [interaction, step] = await Promise.all([
      parts.interactions.find(ctx, uid),
      signIn.stepOf(ctx, uid),
    ])
    startAgain.keep(ctx, interaction)
    if (interaction.step === 'consent') await showConsent(ctx, interaction)
    else await signIn.show(ctx, interaction, step)
  })

  // The address of a form that came back, typed or bookmarked: which step is due is not for the address to say.
  router.get('/interaction/:uid/:step', (ctx) => {
    seeOther(ctx, `${parts.basePath}/interaction/${ctx.params['uid']}`)
  })
  const pages = router.routes() as Middleware
  return (ctx, next) => startAgain.offer(ctx, () => pages(ctx, next))
}
