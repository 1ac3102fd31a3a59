import type { Middleware } from 'koa'

export interface Health {
  database: { query(sql: string): Promise<unknown> }
  shortLived: { ping(): Promise<void> }
}

/**
 * `/healthz`: the process answers. `/readyz`: it can serve; Postgres must answer, while a dead Redis costs sign-ins
 * alone and is told but not refused (architecture §4, R-03).
 */
export function healthRoutes({ database, shortLived }: Health): Middleware {
  return async (ctx, next) => {
    if (ctx.path === '/healthz') {
      ctx.body = { status: 'alive' }
    } else if (ctx.path === '/readyz') {
      const [storage, artifacts] = await Promise.all([
        answers(database.query('select 1')),
        answers(shortLived.ping()),
      ])
      ctx.status = storage ? 200 : 503
      ctx.body = {
        status: storage ? 'ready' : 'not ready',
        storage: storage ? 'ok' : 'does not answer',
        short_lived: artifacts ? 'ok' : 'does not answer',
      }
    } else {
      await next()
    }
  }
}

/** Milliseconds: a probe that hangs is counted as a failure late, or never. */
const probePatience = 1500

async function answers(asked: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>()
  const timer = setTimeout(resolve, probePatience, false)
  const answered = asked.then(
    () => true,
    () => false,
  )
  return Promise.race([answered, late]).finally(() => clearTimeout(timer))
}
