import type { Middleware } from 'koa'
import { tolerableSkew } from '../clock.ts'
import type { Probes } from './probes.ts'

export interface Health {
  clock: { readonly offset: number }
  signing: {
    alarms(): { late: number; overdue: number }
    staleness(): string | undefined
    token?: { isNeeded(): boolean }
  }
  keyRotation: { fault(): string | undefined }
}

/**
 * `/healthz`: the process is alive. `/readyz`: it can serve. Postgres must answer, accept writes and agree on the time.
 * Signing must work: the keys are verified, and their PKCS#11 token, if any, answers. Reported without making the
 * process unready (architecture §4, R-03): a dead Redis, which affects only sign-ins; a late signing key, which affects
 * nobody yet; a retired key-encryption key, which affects only writes of secrets.
 */
export function healthRoutes({ clock, signing, keyRotation }: Health, probes: Probes): Middleware {
  return async (ctx, next) => {
    if (ctx.path === '/healthz') {
      ctx.body = { status: 'alive' }
    } else if (ctx.path === '/readyz') {
      const { token } = signing
      const [storage, shortLived, holder] = await Promise.all([
        probes.storage(),
        probes.shortLived(),
        probes.token(),
      ])
      const onTime = Math.abs(clock.offset) <= tolerableSkew
      const stale = signing.staleness()
      const signs = stale === undefined && (holder || !token?.isNeeded())
      const ready = storage && onTime && signs
      ctx.status = ready ? 200 : 503
      ctx.body = {
        status: ready ? 'ready' : 'not ready',
        storage: storage ? 'ok' : 'does not answer, or does not accept writes',
        short_lived: shortLived ? 'ok' : 'does not answer, or does not keep data',
        clock: onTime ? 'ok' : `${Math.round(Math.abs(clock.offset) / 1000)} s off`,
        signing_keys: stale ?? lateness(signing.alarms()),
        ...(token ? { signing_token: holder ? 'ok' : 'does not answer' } : {}),
        key_encryption_key:
          keyRotation.fault() === undefined ? 'ok' : 'not the current one: see the log',
      }
    } else {
      await next()
    }
  }
}

const lateness = ({ late, overdue }: { late: number; overdue: number }) =>
  late === 0 ? 'ok' : `${late} without a successor in time, ${overdue} past the scheduled rotation`
