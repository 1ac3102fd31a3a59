import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { isStorable, storableRule } from '../storable.ts'

/**
 * The JSON object that a program posted.
 * @param limit bytes
 * @throws DomainError `body_too_large`; `client_metadata_invalid` for what is no JSON object
 */
export async function readJsonObject(
  ctx: Context,
  limit: number,
): Promise<Record<string, unknown>> {
  const refuse = (came: string) =>
    new DomainError('client_metadata_invalid', {
      publicMessage: `The body must be a JSON object with content type application/json; ${came}.`,
      detail: { expected: 'a JSON object', received: came },
    })
  if (!ctx.is('application/json')) throw refuse('the content type is another')
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    length += chunk.length
    if (length > limit) {
      throw new DomainError('body_too_large', { detail: { expected: `at most ${limit} bytes` } })
    }
    chunks.push(chunk)
  }
  let value: unknown
  try {
    // U+0000 and halves of a character are in no text that Postgres can keep.
    const text = Buffer.concat(chunks).toString('utf8').replaceAll('\\u0000', '\\uFFFD')
    value = JSON.parse(text, (_name, each: unknown) =>
      typeof each === 'string' ? each.toWellFormed() : each,
    )
  } catch {
    throw refuse('it is no JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refuse('it is JSON of another kind')
  }
  if (!isStorable(value)) throw refuse(`a name in it ${storableRule}`)
  return value as Record<string, unknown>
}
