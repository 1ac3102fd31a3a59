const unavailable = (sentence: string) => [503, 'temporarily_unavailable', sentence] as const

/**
 * Every refusal of the server: code → HTTP status, OAuth error (RFC 6749 §5.2, RFC 8707 §2, RFC 7591 §3.2.2) and a public
 * sentence. Codes are stable; a new one is a new line here.
 */
export const domainErrors = {
  config_invalid: [500, 'server_error', 'The configuration is not valid.'],
  storage_unavailable: unavailable('Storage does not answer; try again soon.'),
  overloaded: unavailable('The server is busy; try again soon.'),
  storage_newer: [500, 'server_error', 'The database was written by a newer version.'],
  storage_locked: [500, 'server_error', 'Another process is using this data folder.'],
  deny_list_stale: unavailable('Revocations cannot be checked right now; try again soon.'),
  signing_keys_stale: unavailable('Nothing can be signed right now; try again soon.'),
  signing_key_pending: unavailable(
    'The first key of this signature algorithm is published but does not sign yet; try again later.',
  ),
  signing_key_ended: unavailable('Nothing can be signed right now; try again soon.'),
  signing_unavailable: unavailable('Nothing can be signed right now; try again soon.'),
  signing_key_not_found: [404, 'invalid_request', 'There is no such signing key.'],
  migrations_pending: unavailable('The database must be migrated first.'),
  key_encryption_key_invalid: [500, 'server_error', 'The key-encryption key does not match.'],
  key_encryption_key_retired: unavailable('Secrets cannot be stored right now; try again soon.'),
  client_invalid: [400, 'invalid_client', 'The registration of this client is not valid.'],
  client_not_found: [404, 'invalid_client', 'There is no such client.'],
  client_metadata_invalid: [
    400,
    'invalid_client_metadata',
    'The metadata of the client is not valid.',
  ],
  redirect_uri_invalid: [400, 'invalid_redirect_uri', 'A redirect URI is not valid.'],
  registration_token_invalid: [
    401,
    'invalid_token',
    'The token is unknown, used up, expired, or belongs to another client.',
  ],
  registration_full: unavailable(
    'Too many registered clients have never been used; try again later.',
  ),
  client_document_invalid: [
    400,
    'invalid_client',
    'The metadata document of the client is not valid.',
  ],
  client_document_unavailable: unavailable(
    'The metadata document of the client cannot be fetched right now; try again soon.',
  ),
  client_keys_unavailable: unavailable(
    'The keys of the client cannot be fetched right now; try again soon.',
  ),
  software_statement_invalid: [
    400,
    'invalid_software_statement',
    'The software statement is not valid.',
  ],
  software_statement_unapproved: [
    400,
    'unapproved_software_statement',
    'The issuer of the software statement is not trusted here.',
  ],
  issuer_keys_unavailable: unavailable(
    'The keys of an issuer cannot be fetched right now; try again soon.',
  ),
  resource_server_invalid: [400, 'invalid_target', 'The resource server is not valid.'],
  account_exists: [409, 'invalid_request', 'There is already an account with this address.'],
  account_not_found: [404, 'invalid_request', 'There is no such account.'],
  last_operator: [
    409,
    'invalid_request',
    'This is the last operator; make somebody else one first.',
  ],
  password_policy: [400, 'invalid_request', 'The password does not meet the rules.'],
  credentials_invalid: [401, 'access_denied', 'The user name or the password is wrong.'],
  one_time_password_expired: [401, 'access_denied', 'The one-time password has expired.'],
  action_token_invalid: [
    400,
    'invalid_request',
    'This link is no longer valid; ask for a new one.',
  ],
  sign_up_closed: [409, 'invalid_request', 'This tenant does not accept new accounts this way.'],
  mail_off: [409, 'invalid_request', 'This server does not send mail.'],
  email_invalid: [400, 'invalid_request', 'This is not an e-mail address.'],
  hash_queue_full: unavailable('Too many sign-ins at once; try again soon.'),
  too_many_requests: [429, 'temporarily_unavailable', 'Too many requests; wait, then try again.'],
  csrf_failed: [403, 'access_denied', 'The form is too old or came from another site; try again.'],
  not_found: [404, 'invalid_request', 'There is nothing at this address.'],
  method_not_allowed: [405, 'invalid_request', 'This address does not support that method.'],
  body_too_large: [413, 'invalid_request', 'The request body is too large.'],
  too_many_parameters: [400, 'invalid_request', 'The request has too many parameters.'],
  parameter_malformed: [400, 'invalid_request', 'A parameter is malformed.'],
  apply_invalid: [400, 'invalid_request', 'The apply file is not valid.'],
  interaction_not_found: [
    400,
    'invalid_request',
    'This sign-in is no longer open; start it again.',
  ],
  session_changed: [409, 'access_denied', 'The session has changed in the meantime; start again.'],
  token_missing: [401, 'invalid_token', 'This address requires an access token.'],
  token_invalid: [401, 'invalid_token', 'The access token is not valid here.'],
  scope_insufficient: [403, 'insufficient_scope', 'The access token lacks a required scope.'],
  audience_foreign: [
    403,
    'access_denied',
    'The client of this access token may not introspect for this audience.',
  ],
  permission_denied: [403, 'access_denied', 'None of your roles permits this.'],
  subject_protected: [403, 'access_denied', 'This belongs to somebody whose roles exceed yours.'],
  request_invalid: [400, 'invalid_request', 'The request is not valid.'],
  media_type_unsupported: [415, 'invalid_request', 'The body must be application/json.'],
  already_exists: [409, 'invalid_request', 'It already exists.'],
  precondition_required: [
    428,
    'invalid_request',
    'This requires If-Match with the ETag that you have read.',
  ],
  precondition_failed: [412, 'invalid_request', 'It has changed since; read it again.'],
  idempotency_key_reused: [
    422,
    'invalid_request',
    'This Idempotency-Key was used for another request.',
  ],
  idempotency_key_in_use: [
    409,
    'invalid_request',
    'The request with this Idempotency-Key is still in progress; try again.',
  ],
  subject_unknown: [404, 'invalid_request', 'There is no such account or client.'],
  role_not_found: [404, 'invalid_request', 'There is no such role assignment.'],
  last_owner: [409, 'invalid_request', 'This is the last owner; make somebody else one first.'],
  bootstrap_done: [409, 'invalid_request', 'There is already an owner.'],
  built_in: [409, 'invalid_request', 'This is part of the server and cannot be changed.'],
  internal: [500, 'server_error', 'Something went wrong on our side.'],
} as const satisfies Record<
  string,
  readonly [status: number, oauth: OAuthErrorCode, sentence: string]
>

export type DomainErrorCode = keyof typeof domainErrors

export type OAuthErrorCode =
  | 'access_denied'
  | 'insufficient_scope'
  | 'invalid_client'
  | 'invalid_client_metadata'
  | 'invalid_redirect_uri'
  | 'invalid_request'
  | 'invalid_software_statement'
  | 'invalid_target'
  | 'invalid_token'
  | 'server_error'
  | 'temporarily_unavailable'
  | 'unapproved_software_statement'

interface DomainErrorOptions {
  /** Replaces the sentence of the table; must be safe for any caller to read. */
  publicMessage?: string
  /** What was checked, what was expected and what was found. Logged, never sent. */
  detail?: string | Record<string, unknown>
  cause?: unknown
  /** Seconds after which a retry may succeed. */
  retryAfter?: number
}

/**
 * The one error of our own code.
 * @example throw new DomainError('storage_unavailable', { detail: 'Redis does not answer', cause })
 */
export class DomainError extends Error {
  override readonly name: string = 'DomainError'
  readonly code: DomainErrorCode
  /** HTTP status. */
  readonly status: number
  readonly oauth: OAuthErrorCode
  readonly publicMessage: string
  readonly detail: string | Record<string, unknown> | undefined
  /** Seconds. */
  readonly retryAfter: number | undefined

  /** `message` is the detail when that is a sentence, else the public sentence: only for logs and operators. */
  constructor(code: DomainErrorCode, options: DomainErrorOptions = {}) {
    const { publicMessage, detail, cause, retryAfter } = options
    const [status, oauth, sentence] = domainErrors[code]
    const shown = publicMessage ?? sentence
    super(typeof detail === 'string' ? detail : shown, cause === undefined ? undefined : { cause })
    this.code = code
    this.status = status
    this.oauth = oauth
    this.publicMessage = shown
    this.detail = detail
    this.retryAfter = retryAfter ?? (status === 503 ? 2 : undefined)
  }
}

/** Whether an error is a DomainError, and has this code if one is given. */
export function isDomainError(error: unknown, code?: DomainErrorCode): error is DomainError {
  return error instanceof DomainError && (code === undefined || error.code === code)
}
