import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { isStorable, storableRule } from '../storable.ts'
import { invalidRequest } from './checked.ts'

/**
 * The body of a request.
 * @param limit bytes
 * @throws DomainError `body_too_large`
 */
export async function readText(ctx: Context, limit: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  // Keeps the connection, so that a refusal can be sent.
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    length += chunk.length
    if (length > limit) {
      throw new DomainError('body_too_large', { detail: { expected: `at most ${limit} bytes` } })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * The JSON body of a request. Forms and plain text are refused, since pages of other sites can send those without a
 * CORS preflight.
 * @param limit bytes
 * @throws DomainError `body_too_large`, `media_type_unsupported`, `request_invalid`
 */
export async function readJson(ctx: Context, limit: number): Promise<unknown> {
  if (!ctx.is('application/json')) {
    throw new DomainError('media_type_unsupported', { detail: { came: ctx.get('content-type') } })
  }
  const text = await readText(ctx, limit)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalidRequest('body: expected JSON')
  }
  if (isStorable(value)) return value
  throw invalidRequest(`body: ${storableRule}`)
}
