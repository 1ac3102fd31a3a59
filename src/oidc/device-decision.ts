import type { Middleware } from 'koa'
import Provider, {
  type AdapterPayload,
  type Configuration,
  type ErrorOut,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import type { IssuerContext } from './capabilities.ts'
import { createDeviceCodes } from './device-codes.ts'
import { pollInterval } from './polling.ts'
import { routes } from './routes.ts'

/** What a person is told at the end: allowed, denied, or that the code was over or decided already. */
export type DeviceOutcome = 'allowed' | 'denied' | 'over'

export interface DevicePages {
  device(ctx: KoaContextWithOIDC, outcome: DeviceOutcome): void
  error(ctx: KoaContextWithOIDC, out: ErrorOut, error: Error): void
}

interface Decision {
  hash: string
  payload: AdapterPayload
}

const decisions = new WeakMap<object, Decision>()

/**
 * Notes what the engine would have written. A fault of ours is no decision of the person's: the engine would end the
 * code with any error it meets, here only a refusal does.
 */
export function recordDecision(hash: string, payload: AdapterPayload): void {
  const { ctx } = Provider
  if (!ctx) throw new Error('a device code was changed outside of the engine')
  if (payload.error === undefined || payload.error === 'access_denied') {
    decisions.set(ctx, { hash, payload })
  }
}

/**
 * Writes the decision when everything it hangs from is stored: the engine would write it first and the session after,
 * and a device that asks in between would find a session without a person.
 */
export function settleDecisions(context: IssuerContext, pages: DevicePages): Middleware {
  const codes = createDeviceCodes(context)
  return async (ctx, next) => {
    await next()
    const decision = decisions.get(ctx)
    if (!decision) return
    const { hash, payload } = decision
    const outcome = payload.error === undefined ? 'allowed' : 'denied'
    const kept = await codes.decide(hash, payload)
    pages.device(ctx as KoaContextWithOIDC, kept ? outcome : 'over')
  }
}

/** The engine's names for what it would show the form for again. */
const rerendered = new Set(['NotFoundError', 'ExpiredError', 'AlreadyUsedError', 'NoCodeError'])

/** The device flow as the engine is told of it; its form and its confirmation are pages of ours. */
export function deviceFlow(pages: DevicePages) {
  return {
    // The page comes with the decision.
    successSource: () => undefined,
    userCodeInputSource(ctx, _form, out, error) {
      // The engine made a secret for a form of its own and would write the session for it, even one that never was.
      Object.assign(ctx.oidc.session ?? {}, { touched: false })
      if (error?.name === 'AbortedError') return
      decisions.delete(ctx)
      if (!error || rerendered.has(error.name)) pages.device(ctx, 'over')
      else pages.error(ctx, out ?? { error: 'server_error' }, error)
    },
  } satisfies NonNullable<Configuration['features']>['deviceFlow']
}

/**
 * Completes what a device is answered (RFC 8628 §3.2). The engine makes its addresses from the listener that was asked;
 * the person belongs to the issuer's, where no certificate is asked for.
 */
export function completeDeviceAnswers(provider: Provider): void {
  provider.on('device_authorization.success', (_ctx, answer) => {
    const uri = provider.issuer + routes.code_verification
    Object.assign(answer, {
      verification_uri: uri,
      verification_uri_complete: `${uri}?user_code=${answer['user_code'] as string}`,
      interval: pollInterval,
    })
  })
}
