import type { Context } from 'koa'
import { z } from 'zod'
import type { DomainError } from '../errors.ts'
import { challenge } from '../http/challenge.ts'
import { logFailure } from '../http/errors.ts'
import { requestIdOf } from '../http/request.ts'
import type { Log } from '../log.ts'
import { present } from '../present.ts'
import { adminPath } from '../resources/admin-resource.ts'
import { permissions, scopeOf } from '../roles/role.ts'
import { named } from './schemas.ts'

/** An error answer (RFC 9457). */
export const problem = named(
  'Problem',
  z.strictObject({
    type: z.url().describe('URL of the explanation of the code'),
    title: z.string(),
    status: z.int(),
    code: z.string().describe('Error code, as in docs/errors.md'),
    request_id: z.string().describe('The log has details under this id'),
    errors: z.array(z.string()).optional().describe('The invalid members, each with its fault'),
  }),
)

const scopes = permissions.map(scopeOf)

/** The faults in the caller's input. Nothing else of `detail` leaves the log. */
function faultsIn({ code, detail }: DomainError): string[] | undefined {
  const { faults, expected } = typeof detail === 'object' ? (detail as Partial<Faults>) : {}
  if (code === 'scope_insufficient') return [`scope: expected ${String(expected)}`]
  if (code === 'password_policy') return [`password: expected ${String(expected)}`]
  if (typeof detail === 'string' && faulty.has(code)) return [detail]
  return faulty.has(code) && Array.isArray(faults) ? faults : undefined
}

interface Faults {
  faults: string[]
  expected: unknown
}

const faulty = new Set<string>([
  'request_invalid',
  'client_invalid',
  'resource_server_invalid',
  'apply_invalid',
])

/** Answers a failed request, with the codes of other errors. @returns the error */
export function answerProblem(
  ctx: Context,
  thrown: unknown,
  issuer: string,
  log: Log,
): DomainError {
  const error = logFailure(ctx, thrown, log)
  const errors = faultsIn(error)
  ctx.status = error.status
  ctx.body = {
    type: `${issuer}${adminPath}/#error-${error.code}`,
    title: error.publicMessage,
    status: error.status,
    code: error.code,
    request_id: requestIdOf(ctx),
    ...present({ errors }),
  }
  ctx.type = 'application/problem+json'
  if (error.retryAfter !== undefined) ctx.set('Retry-After', String(error.retryAfter))
  challenge(ctx, error, { realm: 'admin', ...scopeIn(error) })
  return error
}

/** The required scope, if the error names it. */
function scopeIn({ detail }: DomainError): { scope?: string } {
  const expected = typeof detail === 'object' ? detail['expected'] : undefined
  return typeof expected === 'string' && scopes.includes(expected) ? { scope: expected } : {}
}
