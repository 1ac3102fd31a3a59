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

/** The outcome that a person is shown; `over`: the code had expired or was decided already. */
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
 * Notes what the engine would have written. Only a refusal ends the code: the engine would end it on any error, but a
 * server error is not the user's decision.
 */
export function recordDecision(hash: string, payload: AdapterPayload): void {
  const { ctx } = Provider
  if (!ctx) throw new Error('a device code was changed outside of the engine')
  if (payload.error === undefined || payload.error === 'access_denied') {
    decisions.set(ctx, { hash, payload })
  }
}

/**
 * Writes the decision once everything it hangs from is stored. The engine would write it before the session: a device
 * that asks in between would find a session without a person.
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

/** The engine's errors after which it would show its form again. */
const rerendered = new Set(['NotFoundError', 'ExpiredError', 'AlreadyUsedError', 'NoCodeError'])

/** The device flow for the engine; the form and the confirmation are our own pages. */
export function deviceFlow(pages: DevicePages) {
  return {
    // `settleDecisions` renders the page.
    successSource: () => undefined,
    userCodeInputSource(ctx, _form, out, error) {
      // The engine made a secret for its own form, and would write a session for it, even a new one.
      Object.assign(ctx.oidc.session ?? {}, { touched: false })
      if (error?.name === 'AbortedError') return
      decisions.delete(ctx)
      if (!error || rerendered.has(error.name)) pages.device(ctx, 'over')
      else pages.error(ctx, out ?? { error: 'server_error' }, error)
    },
  } satisfies NonNullable<Configuration['features']>['deviceFlow']
}

/**
 * Completes the answer to a device (RFC 8628 §3.2). The engine builds the addresses from the listener that was asked; a
 * person must go to that of the issuer, where no certificate is asked for.
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
