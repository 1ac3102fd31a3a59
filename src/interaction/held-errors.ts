import type { Context, Middleware } from 'koa'
import { receiverOf } from '../clients/redirect-uri.ts'
import { answerRefusal, type Refusal } from '../http/errors.ts'
import { requestIdOf } from '../http/request.ts'
import type { HeldError } from '../oidc/held-errors.ts'
import { takeHandover } from './handover.ts'
import type { WayBack } from './pages/error.ts'

/**
 * Shows an error that the engine was about to redirect to the client, with a link there that the person must follow
 * (P-016). Programs get JSON, without a link.
 */
export function showHeldErrors(
  held: (ctx: Context) => HeldError | undefined,
  page: (ctx: Context, refusal: Refusal, wayBack: WayBack) => string,
): Middleware {
  return async (ctx, next) => {
    await next()
    const error = held(ctx)
    const wayBack = error && takeWayBack(ctx)
    if (!wayBack) return
    answerRefusal(ctx, { status: 400, id: requestIdOf(ctx), ...error }, (context, refusal) =>
      page(context, refusal, wayBack),
    )
  }
}

function takeWayBack(ctx: Context): WayBack | undefined {
  const handover = takeHandover(ctx)
  if (handover) {
    const { action, fields } = handover
    return { host: receiverOf(action), href: action, fields }
  }
  const href = ctx.response.get('Location')
  if (!href) return undefined
  ctx.remove('Location')
  return { host: receiverOf(href), href }
}
