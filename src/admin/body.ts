import type { Context } from 'koa'
import type { z } from 'zod'
import { DomainError } from '../errors.ts'
import { faultLine, faultsOf } from '../faults.ts'
import { isStorable, storableRule } from '../storable.ts'

function invalid(...faults: string[]): DomainError {
  return new DomainError('request_invalid', { detail: { faults } })
}

/**
 * The JSON body of a request. Forms and plain text are refused: they are what a page of another site can send.
 * @param limit bytes
 * @throws DomainError `body_too_large`, `media_type_unsupported`, `request_invalid`
 */
export async function readJson(ctx: Context, limit: number): Promise<unknown> {
  if (!ctx.is('application/json')) {
    throw new DomainError('media_type_unsupported', { detail: { came: ctx.get('content-type') } })
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    length += chunk.length
    if (length > limit) {
      throw new DomainError('body_too_large', { detail: { expected: `at most ${limit} bytes` } })
    }
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('body: expected JSON')
  }
  if (isStorable(value)) return value
  throw invalid(`body: ${storableRule}`)
}

/** @throws DomainError `request_invalid` with everything that is wrong */
export function checked<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(...faultsOf(schema, value).map(faultLine))
}

/** A query as an object; what comes twice is refused. @throws DomainError `request_invalid` */
export function readQuery(ctx: Context): Record<string, string> {
  const query: Record<string, string> = Object.create(null)
  for (const [name, value] of new URLSearchParams(ctx.querystring)) {
    if (name in query) throw invalid(`${name}: came twice`)
    if (value.includes('\0')) throw invalid(`${name}: must not contain U+0000`)
    query[name] = value
  }
  return { ...query }
}
