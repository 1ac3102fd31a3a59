import type { IncomingMessage } from 'node:http'
import { cameToMutualPort, certificateOf } from '../http/edge.ts'
import { introspectionJwt } from '../oidc/structured-endpoints.ts'

const form = /^application\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i
const number = /^\d{1,9}$/

/** What asks for more than the plain thing, or speaks for somebody in another way. */
const special = [
  'transfer-encoding',
  'content-encoding',
  // Browser apps, whose origin is the engine's to judge (P-044).
  'origin',
  'dpop',
  'oauth-client-attestation',
  'oauth-client-attestation-pop',
]

const bearer = /^Bearer ([\w\-.~+/]+=*)$/i

/** Whether a head asks for nothing but the plain thing. */
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
 * Whether a request with a form may be plain, as far as its head tells. What is not is the stack's from the start.
 * @param most bytes of a body
 * @returns how long its body is, in bytes; undefined when it is not
 */
export function plainLength(request: IncomingMessage, most: number): number | undefined {
  const { method, headers } = request
  if (method !== 'POST' || !form.test(headers['content-type'] ?? '')) return undefined
  if (!isPlain(request) || headers.accept?.includes(introspectionJwt)) return undefined
  const announced = headers['content-length'] ?? ''
  const length = number.test(announced) ? Number(announced) : 0
  return length > 0 && length <= most ? length : undefined
}
