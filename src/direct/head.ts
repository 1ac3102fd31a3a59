import type { IncomingMessage } from 'node:http'
import { cameToMutualPort, certificateOf } from '../http/edge.ts'
import { introspectionJwt } from '../oidc/structured-endpoints.ts'

const form = /^application\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i
const number = /^\d{1,9}$/

/** Headers of requests that are not plain: other encodings, proofs, or other ways to authenticate. */
const special = [
  'transfer-encoding',
  'content-encoding',
  // Browser apps: the engine judges their origin (P-044).
  'origin',
  'dpop',
  'oauth-client-attestation',
  'oauth-client-attestation-pop',
]

const bearer = /^Bearer ([\w\-.~+/]+=*)$/i

/** Whether the headers and the connection are those of a plain request. */
function isPlain(request: IncomingMessage): boolean {
  const { headers } = request
  if (special.some((name) => headers[name] !== undefined)) return false
  return !cameToMutualPort(request) && !certificateOf(request)
}

/**
 * The access token of a plain request for userinfo, which has no body (RFC 6750 §2.1).
 * @returns undefined when it is not
 */
export function plainBearer(request: IncomingMessage): string | undefined {
  const { method, headers } = request
  if (method !== 'GET' && method !== 'POST') return undefined
  if (headers['content-type'] !== undefined || (headers['content-length'] ?? '0') !== '0') {
    return undefined
  }
  return isPlain(request) ? bearer.exec(headers.authorization ?? '')?.[1] : undefined
}

/**
 * The length of the body, if the headers are those of a plain form request; all others go to the stack at once.
 * @param most bytes of a body
 * @returns bytes; undefined when the request is not plain
 */
export function plainLength(request: IncomingMessage, most: number): number | undefined {
  const { method, headers } = request
  if (method !== 'POST' || !form.test(headers['content-type'] ?? '')) return undefined
  if (!isPlain(request) || headers.accept?.includes(introspectionJwt)) return undefined
  const announced = headers['content-length'] ?? ''
  const length = number.test(announced) ? Number(announced) : 0
  return length > 0 && length <= most ? length : undefined
}
