import type { Middleware } from 'koa'

export interface Health {
  database: { query(sql: string): Promise<unknown> }
  shortLived: { ping(): Promise<void> }
  clock: { readonly offset: number }
  signing: {
    alarms(): { late: number; overdue: number }
    staleness(): string | undefined
    token?: { ping(): Promise<void>; isNeeded(): boolean }
  }
  keyRotation: { fault(): string | undefined }
}

/**
 * Milliseconds that the clock of this machine may be apart from that of Postgres. What the engine signs carries the time
 * of this machine, and verifiers commonly forgive a minute.
 */
const tolerableSkew = 60_000

/**
 * `/healthz`: the process answers. `/readyz`: it can serve; Postgres must answer and tell about the same time, and
 * signatures must be possible: keys that are known to be good, and the token when they are in one. A dead Redis costs
 * sign-ins alone, a late signing key nobody yet, and a key-encryption key that others have left behind what has to be
 * stored sealed: they are told but not refused (architecture §4, R-03).
 */
export function healthRoutes({
  database,
  shortLived,
  clock,
  signing,
  keyRotation,
}: Health): Middleware {
  return async (ctx, next) => {
    if (ctx.path === '/healthz') {
      ctx.body = { status: 'alive' }
    } else if (ctx.path === '/readyz') {
      const { token } = signing
      const [storage, artifacts, holder] = await Promise.all([
        answers(database.query('select 1')),
        answers(shortLived.ping()),
        token ? answers(token.ping()) : true,
      ])
      const onTime = Math.abs(clock.offset) <= tolerableSkew
      const stale = signing.staleness()
      const signs = stale === undefined && (holder || !token?.isNeeded())
      const ready = storage && onTime && signs
      ctx.status = ready ? 200 : 503
      ctx.body = {
        status: ready ? 'ready' : 'not ready',
        storage: told(storage),
        short_lived: told(artifacts),
        clock: onTime ? 'ok' : `${Math.round(Math.abs(clock.offset) / 1000)} s off`,
        signing_keys: stale ?? lateness(signing.alarms()),
        ...(token ? { signing_token: told(holder) } : {}),
        key_encryption_key:
          keyRotation.fault() === undefined ? 'ok' : 'not the current one: see the log',
      }
    } else {
      await next()
    }
  }
}

const told = (isThere: boolean) => (isThere ? 'ok' : 'does not answer')

const lateness = ({ late, overdue }: { late: number; overdue: number }) =>
  late === 0 ? 'ok' : `${late} without a successor in time, ${overdue} older than planned`

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
