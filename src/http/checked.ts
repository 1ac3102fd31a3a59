import type { Context } from 'koa'
import type { z } from 'zod'
import { DomainError } from '../errors.ts'
import { faultLine, faultsOf } from '../faults.ts'

/** @param faults one per member: its name and what is wrong */
export function invalidRequest(...faults: string[]): DomainError {
  return new DomainError('request_invalid', { detail: { faults } })
}

/** @throws DomainError `request_invalid` with everything that is wrong */
export function checked<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalidRequest(...faultsOf(schema, value).map(faultLine))
}

/** The query as an object. @throws DomainError `request_invalid` when a parameter is repeated */
export function readQuery(ctx: Context): Record<string, string> {
  const query: Record<string, string> = Object.create(null)
  for (const [name, value] of new URLSearchParams(ctx.querystring)) {
    if (name in query) throw invalidRequest(`${name}: was sent twice`)
    if (value.includes('\0')) throw invalidRequest(`${name}: must not contain U+0000`)
    query[name] = value
  }
  return { ...query }
}
