import type { IncomingMessage } from 'node:http'
import type { Context, Middleware } from 'koa'
import { DomainError } from '../errors.ts'
import { readText } from './body.ts'

/** More parameters than any protocol request needs; `querystring` would silently drop those after the thousandth. */
export const mostParameters = 200
const ampersand = 0x26

function countIn(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) if (byte === ampersand) count++
  return count
}

function tooMany(): DomainError {
  return new DomainError('too_many_parameters', {
    detail: { expected: `at most ${mostParameters}` },
  })
}

function zero(): DomainError {
  return new DomainError('parameter_malformed', { detail: 'a parameter contains U+0000' })
}

type Chunks = AsyncIterable<Uint8Array>

/**
 * Limits the number of parameters in a query or form, including bodies that the engine reads (security class C18).
 * Refuses a query with U+0000: no parameter may contain it (RFC 6749 Appendix A), and Postgres cannot store it. Refuses
 * it also in forms whose parameters are stored as received; for other forms the engine answers `invalid_request`.
 * @param keeping paths of the forms that are stored
 */
export function limitParameters(keeping: ReadonlySet<string>): Middleware {
  return (ctx, next) => {
    if (countIn(Buffer.from(ctx.querystring)) >= mostParameters) throw tooMany()
    if (ctx.querystring.includes('%00')) throw zero()
    const { req } = ctx
    const isKept = keeping.has(ctx.path) && ctx.is('application/x-www-form-urlencoded')
    const read = req.iterator.bind(req)
    // Once the connection is closed a request is not readable, and the engine would take its form for an empty one.
    Object.defineProperty(req, 'readable', { value: true, configurable: true })
    req.iterator = (options) => {
      const chunks = counted(read(options))
      return (isKept ? withoutZero(chunks) : chunks) as ReturnType<IncomingMessage['iterator']>
    }
    return next()
  }
}

async function* counted(chunks: Chunks): AsyncGenerator<Uint8Array> {
  let count = 0
  for await (const chunk of chunks) {
    count += countIn(chunk)
    if (count >= mostParameters) throw tooMany()
    yield chunk
  }
}

/** Never in an encoded form: `%00`, its raw byte (as in UTF-16), and ESC, with which ISO-2022-JP could split `%00`. */
const malformed = ['%00', '\0', '\x1b']

async function* withoutZero(chunks: Chunks): AsyncGenerator<Uint8Array> {
  // A chunk may end within `%00`.
  let end = ''
  for await (const chunk of chunks) {
    const text = end + Buffer.from(chunk).toString('latin1')
    if (malformed.some((each) => text.includes(each))) throw zero()
    end = text.slice(-2)
    yield chunk
  }
}

/**
 * Refuses a body whose `Content-Length` is too large before reading it. A body without one is cut off where it is read,
 * in `readForm` or in the engine.
 * @param limit bytes
 */
export function limitBody(limit: number): Middleware {
  return (ctx, next) => {
    if ((ctx.request.length ?? 0) > limit) {
      throw new DomainError('body_too_large', {
        detail: { expected: `at most ${limit} bytes`, came: ctx.request.length },
      })
    }
    return next()
  }
}

/**
 * The fields of a form of one of our own pages. A repeated field is refused.
 * @param limit bytes
 * @throws DomainError `body_too_large`, `too_many_parameters`; `csrf_failed` for a media type that our forms do not
 *   have
 */
export async function readForm(ctx: Context, limit: number): Promise<Record<string, string>> {
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw new DomainError('csrf_failed', {
      detail: { expected: 'application/x-www-form-urlencoded', came: ctx.get('content-type') },
    })
  }
  const fields = new URLSearchParams(await readText(ctx, limit))
  const form: Record<string, string> = Object.create(null)
  for (const [name, value] of fields) {
    if (name in form)
      throw new DomainError('too_many_parameters', { detail: `field ${name} was sent twice` })
    form[name] = value
  }
  return form
}
