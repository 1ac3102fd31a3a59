import type { Context, Middleware } from 'koa'
import { DomainError, type DomainErrorCode } from '../errors.ts'
import type { Log } from '../log.ts'
import { isTransient } from '../storage/violations.ts'
import { requestIdOf } from './request.ts'

/** An error answer, for a person or a program. */
export interface Refusal {
  status: number
  error: string
  description?: string
  /** The request's id. */
  id: string
  /** Seconds. */
  retryAfter?: number | undefined
}

/** Renders a refusal as a page. */
export type RefusalPage = (ctx: Context, refusal: Refusal) => string

/** Writes an error answer: a page for clients that prefer HTML, else JSON (RFC 6749 §5.2). */
export function answerRefusal(ctx: Context, refusal: Refusal, page: RefusalPage): void {
  ctx.status = refusal.status
  const { retryAfter = refusal.status === 503 ? 2 : undefined } = refusal
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter))
  if (ctx.accepts('json', 'html') === 'html') {
    ctx.type = 'html'
    ctx.body = page(ctx, refusal)
  } else {
    ctx.type = 'json'
    ctx.body = {
      error: refusal.error,
      error_description: refusal.description,
      error_id: refusal.id,
    }
  }
}

const faults = new WeakMap<object, Error>()

/** Records an error from within the engine, which answers 500 whatever it was; `answerErrors` then answers instead. */
export function reportFault(ctx: object, error: Error): void {
  faults.set(ctx, error)
}

/** Adds the request id, which the log has too, to an error answer of the engine. */
function identify(ctx: Context): void {
  const { body, status } = ctx as { body: unknown; status: number }
  if (status < 400 || typeof body !== 'object' || body === null || !('error' in body)) return
  ctx.body = { ...body, error_id: requestIdOf(ctx) }
}

/**
 * Codes logged as warnings, since nobody has to be alerted: a limit that worked, a key that does not sign yet or no
 * longer signs, a third party's host that does not answer.
 */
const foreseen: ReadonlySet<DomainErrorCode> = new Set([
  'overloaded',
  'hash_queue_full',
  'registration_full',
  'signing_key_pending',
  'signing_key_ended',
  'client_document_unavailable',
  'client_keys_unavailable',
  'issuer_keys_unavailable',
])

/**
 * Logs a failed request. An error that is no DomainError is a bug in this server or a fault of storage; its text is
 * never sent.
 */
export function logFailure(ctx: Context, thrown: unknown, log: Log): DomainError {
  const error = asDomainError(thrown)
  // An unreachable Postgres is not a bug: errors with status 503 are logged without a stack (log.ts).
  const err = error.status === 503 ? error : thrown
  const line = { request_id: requestIdOf(ctx), error: error.code, detail: error.detail, err }
  if (error.status >= 500) log[foreseen.has(error.code) ? 'warn' : 'error'](line, 'request failed')
  else log.info({ ...line, err: undefined }, 'request refused')
  return error
}

/**
 * The one place that turns errors of our own code into answers (architecture §11).
 * @param note records the error, so that it can be explained later (src/refusals)
 */
export function answerErrors(
  log: Log,
  page: RefusalPage,
  note: (ctx: Context, error: DomainError) => void,
): Middleware {
  return async (ctx, next) => {
    try {
      await next()
      const fault = faults.get(ctx)
      if (fault) throw fault
      identify(ctx)
      if (ctx.status === 404 && (ctx.body === undefined || ctx.body === null)) {
        throw new DomainError('not_found')
      }
    } catch (thrown) {
      const error = logFailure(ctx, thrown, log)
      note(ctx, error)
      answerRefusal(
        ctx,
        {
          status: error.status,
          error: error.oauth,
          description: error.publicMessage,
          id: requestIdOf(ctx),
          retryAfter: error.retryAfter,
        },
        (context, refusal) =>
          page(context, { ...refusal, error: pageErrors[error.code] ?? refusal.error }),
      )
    }
  }
}

/** Errors that have a page of their own, more specific than their OAuth code. */
const pageErrors: Partial<Record<DomainError['code'], string>> = {
  interaction_not_found: 'interaction_expired',
  csrf_failed: 'csrf_failed',
  session_changed: 'session_changed',
  not_found: 'not_found',
  too_many_requests: 'too_many_requests',
}

function asDomainError(error: unknown): DomainError {
  if (error instanceof DomainError) return error
  return isTransient(error)
    ? new DomainError('storage_unavailable', {
        detail: 'Postgres could not answer a statement',
        cause: error,
      })
    : new DomainError('internal', { cause: error })
}
