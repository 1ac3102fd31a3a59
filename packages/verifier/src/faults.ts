/**
 * Error codes that the caller gets.
 *
 * | code                               | status | from           |
 * |------------------------------------|--------|----------------|
 * | `invalid_request`                  | 400    | RFC 6750 §3.1  |
 * | `invalid_token`                    | 401    | RFC 6750 §3.1  |
 * | `invalid_dpop_proof`               | 401    | RFC 9449 §7.1  |
 * | `use_dpop_nonce`                   | 401    | RFC 9449 §9    |
 * | `insufficient_user_authentication` | 401    | RFC 9470 §3    |
 * | `insufficient_scope`               | 403    | RFC 6750 §3.1  |
 */
export type RefusalCode =
  | 'invalid_request'
  | 'invalid_token'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'insufficient_user_authentication'
  | 'insufficient_scope'

/** Which check failed. The values are stable, for logs and metrics. */
export type RefusalReason =
  | 'request'
  | 'form'
  | 'header'
  | 'algorithm'
  | 'type'
  | 'key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'time'
  | 'claims'
  | 'tenant'
  | 'binding'
  | 'proof'
  | 'nonce'
  | 'revoked'
  | 'scope'
  | 'authentication'

/** The token, or its proof or certificate, is not accepted on this route. The message is for the caller. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
  readonly code: RefusalCode
  readonly reason: RefusalReason

  constructor(code: RefusalCode, reason: RefusalReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
    this.reason = reason
  }
}

/**
 * The token could not be checked: keys, feed or introspection cannot be reached. Answer 503; never treat it as valid.
 */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
  readonly what: 'metadata' | 'keys' | 'feed' | 'introspection'

  constructor(what: Unavailable['what'], message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.what = what
  }
}

/** A received value for a message: as JSON, truncated. */
export function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 200)
}

/** An `invalid_token` refusal. */
export function invalidToken(reason: RefusalReason, message: string, cause?: unknown) {
  return new TokenRefused('invalid_token', reason, message, cause)
}
