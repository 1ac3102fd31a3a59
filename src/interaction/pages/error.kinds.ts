/** The situations of a refused person: many error codes, few possible actions. */
export type ErrorKind =
  | 'request'
  | 'application'
  | 'redirect'
  | 'scope'
  | 'target'
  | 'denied'
  | 'signin'
  | 'session'
  | 'expired'
  | 'forbidden'
  | 'not_found'
  | 'too_many'
  | 'unavailable'
  | 'broken'

/** Codes of RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6, RFC 7591 §3.2.2, RFC 8707 §2, RFC 9101 §7 and our own. */
const byCode: Readonly<Record<string, ErrorKind>> = {
  invalid_request: 'request',
  invalid_request_object: 'request',
  invalid_request_uri: 'request',
  request_not_supported: 'request',
  request_uri_not_supported: 'request',
  registration_not_supported: 'request',
  unsupported_response_type: 'request',
  unsupported_response_mode: 'request',
  invalid_authorization_details: 'request',
  invalid_client: 'application',
  unauthorized_client: 'application',
  invalid_client_metadata: 'application',
  invalid_redirect_uri: 'redirect',
  invalid_scope: 'scope',
  insufficient_scope: 'scope',
  invalid_target: 'target',
  access_denied: 'denied',
  login_required: 'signin',
  consent_required: 'signin',
  interaction_required: 'signin',
  account_selection_required: 'signin',
  unmet_authentication_requirements: 'signin',
  invalid_grant: 'expired',
  expired_token: 'expired',
  session_expired: 'expired',
  interaction_expired: 'expired',
  session_changed: 'session',
  csrf_failed: 'forbidden',
  not_found: 'not_found',
  slow_down: 'too_many',
  too_many_requests: 'too_many',
  temporarily_unavailable: 'unavailable',
  server_error: 'broken',
}

const byStatus: Readonly<Record<number, ErrorKind>> = {
  403: 'forbidden',
  404: 'not_found',
  429: 'too_many',
  503: 'unavailable',
}

/**
 * The situation behind an error. An unknown code is judged by its status.
 * @param error the OAuth error code
 * @param status the HTTP status
 */
export function errorKind(error: string, status: number): ErrorKind {
  if (Object.hasOwn(byCode, error) && byCode[error]) return byCode[error]
  return byStatus[status] ?? (status >= 500 ? 'broken' : 'request')
}
