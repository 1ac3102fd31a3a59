import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { Page } from './http-exchange.ts'

/** The headers of an answer, without those that differ between identical answers. */
export function headersOf({ headers }: Page) {
  const own = new Set(['date', 'request-id'])
  const lengthOfIds = headers.get('content-type')?.includes('+jwt') ? ['content-length'] : []
  return [...headers].filter(([name]) => !own.has(name) && !lengthOfIds.includes(name))
}

/** The body of an answer, without members that differ between identical answers; a JWT is decoded. */
export function bodyOf({ body, headers }: Page): unknown {
  const type = headers.get('content-type') ?? ''
  if (type.includes('+jwt')) return parts(body)
  if (!type.includes('json')) return body
  const members = JSON.parse(body) as Record<string, string>
  const { error_id: id, access_token: token, refresh_token: handle, ...rest } = members
  return {
    ...rest,
    members: Object.keys(members).toSorted(),
    ...(id === undefined ? {} : { id: id.length }),
    ...(token === undefined ? {} : { token: parts(token) }),
    ...(handle === undefined ? {} : { handle: handle.length }),
  }
}

function parts(token: string) {
  if (token.split('.').length !== 3) return token.length
  const { iat = 0, exp, jti = '', fid, ...claims } = decodeJwt(token)
  return {
    ...{ header: decodeProtectedHeader(token), claims, lives: exp && exp - iat, id: jti.length },
    family: typeof fid,
    names: Object.keys(decodeJwt(token)),
  }
}

/** A log line without its time and ids. */
export function shapeOfLine(line: string): Record<string, unknown> {
  const {
    time: _time,
    error_id: _error,
    milliseconds,
    request_id: id,
    ...rest
  } = JSON.parse(line) as Record<string, unknown>
  return { ...rest, timed: typeof milliseconds, identified: typeof id }
}
