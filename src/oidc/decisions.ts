import type { Context, Next } from 'koa'
import type { InteractionResults } from 'oidc-provider'

/** What a person decided in a request. The engine goes on with it in the same one: nothing of it is stored. */
export interface Decision {
  /** Of the interaction; this browser's cookie has shown that it is in it. */
  uid: string
  result: InteractionResults
  /** Where the engine goes on, below the issuer. */
  path: string
  /** What is done in the same go. */
  meanwhile?: Promise<unknown> | undefined
}

const decisions = new WeakMap<object, Decision>()

export function decide(ctx: Context, decision: Decision): void {
  decisions.set(ctx, decision)
}

/** What was decided of an interaction in a request, if anything was. */
export function decidedIn(ctx: object | undefined, uid: string): InteractionResults | undefined {
  const decision = ctx && decisions.get(ctx)
  return decision?.uid === uid ? decision.result : undefined
}

/**
 * Lets the engine go on, as if the browser had been sent to the address where it does: it makes all its checks, and
 * takes the interaction, so that of two who decide at once one goes on. The cookie that it asks for there has the value
 * of the one that was checked already; the browser keeps each for its own address.
 * @param cookie what that cookie is called
 */
export async function goOn(ctx: Context, next: Next, cookie: string): Promise<void> {
  const decision = decisions.get(ctx)
  if (!decision) return
  const { cookies, url, method } = ctx
  const get = cookies.get.bind(cookies)
  cookies.get = (name, options) => (name === cookie ? decision.uid : get(name, options))
  ctx.method = 'GET'
  ctx.url = decision.path
  try {
    await Promise.all([next(), decision.meanwhile])
  } finally {
    Object.assign(ctx, { method, url })
  }
}
