import type { CheckName } from '../refusals/checks.ts'

/** The engine's errors, as far as we look at them. */
export interface EngineError extends Error {
  error_description?: string
  /** What was expected and what was received; never sent. */
  error_detail?: string
}

/** Checks by the engine's error code alone. */
const byCode: Partial<Record<string, CheckName>> = {
  invalid_redirect_uri: 'redirect_uri_registered',
  unsupported_response_type: 'response_type_supported',
  unsupported_response_mode: 'response_mode_supported',
  request_not_supported: 'request_form',
  registration_not_supported: 'request_form',
  request_uri_not_supported: 'request_uri_pushed',
  invalid_request_uri: 'request_uri_alive',
  invalid_request_object: 'request_object_valid',
  unmet_authentication_requirements: 'acr_reachable',
  login_required: 'nobody_asked',
  consent_required: 'nobody_asked',
  interaction_required: 'nobody_asked',
  account_selection_required: 'nobody_asked',
  access_denied: 'person_allowed',
  invalid_scope: 'scope_allowed',
  invalid_target: 'resource_known',
  unsupported_grant_type: 'grant_type_supported',
  unauthorized_client: 'grant_type_allowed',
  invalid_dpop_proof: 'dpop_proof',
  use_dpop_nonce: 'dpop_nonce',
  expired_token: 'device_code_current',
  invalid_token: 'access_token_valid',
  insufficient_scope: 'access_token_scope',
  unknown_user_id: 'ciba_hint',
  invalid_binding_message: 'ciba_request',
}

/** Checks by the engine's wording, where its code alone does not tell; the first match counts. */
const byWords: ReadonlyArray<readonly [words: RegExp, check: CheckName]> = [
  [/^claims\./, 'claims_parameter'],
  [/^missing required parameter/, 'parameters_present'],
  [/must not be provided twice/, 'parameters_once'],
  [/^redirect_uri must/, 'redirect_uri_registered'],
  [/^requested response_type is not allowed/, 'response_type_allowed'],
  [/response_mode/, 'response_mode_allowed'],
  [/grant type is not allowed|^\S+ is not allowed for this client$/, 'grant_type_allowed'],
  [/^none of the requested scopes exists|^not a scope of/, 'scope_known'],
  [/^scope contains invalid characters/, 'scope_characters'],
  [/^refresh token missing requested scope/, 'refresh_scope'],
  [/^openid scope must be requested/, 'openid_requested'],
  [/^resource indicator must/, 'resource_uri'],
  [/^the client may not reach this resource/, 'resource_allowed'],
  [/^a token is for one resource|single resource|single audience/, 'resource_single'],
  [/requires PKCE|^code_challenge must be provided/, 'pkce_present'],
  [/code_challenge_method/, 'pkce_method'],
  [/^code_verifier must be provided/, 'code_verifier'],
  [/^code_(challenge|verifier) (must|contains)/, 'pkce_format'],
  [/^dpop_jkt must/, 'dpop_jkt_format'],
  [/^nonce is required/, 'nonce_present'],
  [/prompt/, 'prompt_supported'],
  [/max_age/, 'max_age_number'],
  [/claims/, 'claims_parameter'],
  [/request and request_uri/, 'request_form'],
  [/^Pushed Authorization Request must be used/, 'request_pushed'],
  [/^Request Object must be used/, 'request_signed'],
  [/hint parameters?|login_hint/, 'ciba_hint'],
  [/client_notification_token|requested_expiry|user_code|binding/, 'ciba_request'],
  [/one mechanism$/, 'authentication_once'],
  [/^no client authentication mechanism/, 'authentication_present'],
  [/authentication mechanism does not match|client is registered for/, 'authentication_method'],
  [/^invalid secret provided/, 'client_secret'],
  [/client_secret expired/, 'client_secret_current'],
  [/client_secret must be provided/, 'authorization_header'],
  [/^only .* content-type|parse the request body/, 'body_form'],
  [/^invalid authorization header/, 'authorization_header'],
  [/certificate was not|certificate subject|unregistered client certificate/, 'client_certificate'],
  [/assertion tokens must only be used once/, 'client_assertion_once'],
  [/^client_assertion_type must/, 'client_assertion'],
  [/^mutual TLS client certificate not provided/, 'certificate_present'],
  [/x5t#S256|jkt/, 'key_same'],
  [/DPoP proof JWT Replay/, 'dpop_proof'],
  [/DPoP proof JWT|`DPoP` header/, 'dpop_present'],
  [/^origin .* not allowed/, 'origin_allowed'],
  [/^authorization code (not found|vanished)/, 'code_known'],
  [
    /^AuthorizationCode vanished|^(device code|backchannel authentication request) not found/,
    'code_known',
  ],
  [/belongs to another client/, 'code_known'],
  [/code already (consumed|used)/, 'code_unused'],
  [/^authorization code is expired/, 'code_current'],
  [/redirect_uri mismatch/, 'code_redirect_uri'],
  [/code_verifier|PKCE/, 'code_verifier'],
  [/^refresh token not found/, 'refresh_token_known'],
  [/^refresh token already used/, 'refresh_token_once'],
  [/^refresh token is expired/, 'refresh_token_current'],
  [/grant (not found|is expired)/, 'grant_alive'],
  [/account not found|accountId/, 'account_active'],
  [/meanwhile|same moment/, 'changed_meanwhile'],
  [/^no access token provided/, 'access_token_place'],
  [/^access token (must|missing)|access tokens must/, 'access_token_place'],
  [
    /authorization header scheme|via an authorization header|sender-constrained/,
    'access_token_place',
  ],
  [/audience prevents accessing/, 'access_token_audience'],
  [/^introspection must be requested/, 'introspection_form'],
  [/not authorized to revoke/, 'revocation_entitled'],
  [/post_logout_redirect_uri/, 'post_logout_redirect_uri_registered'],
  [/^xsrf|xsrf token/, 'form_own'],
  [/^interaction session|^session (not found|principal changed)/, 'sign_in_open'],
]

/** Codes that several checks share: the wording is looked at first. */
const ambiguous: ReadonlySet<string> = new Set([
  'invalid_request',
  'invalid_grant',
  'invalid_client',
  'invalid_scope',
  'invalid_target',
  'invalid_token',
  'invalid_redirect_uri',
  'insufficient_scope',
])

/** The check that an error of the engine stands for. @param grant the grant type of a token request */
export function refusedCheck(
  error: EngineError,
  route: string | undefined,
  grant?: unknown,
): CheckName {
  const { message: code, error_description: said = '', error_detail: detail } = error
  const words = [detail, said].filter((text) => text !== undefined)
  if (words.some((text) => /^(?!.*login_hint_token).*id_token_hint/s.test(text)))
    return route?.startsWith('end_session') ? 'logout_hint' : 'id_token_hint_valid'
  if (code === 'invalid_client' && words.includes('client not found')) return 'client_known'
  if (
    /client_id.*mismatch|^client mismatch|must equal/.test(detail ?? said) &&
    code !== 'invalid_request_object'
  )
    return mismatch(code, route, grant)
  // A bare error means that the resource was not among the granted ones: others are detailed, as they are looked up
  // later.
  const isBare = detail === undefined && said === 'resource indicator is missing, or unknown'
  if (isBare && route === 'token') return 'resource_granted'
  if (ambiguous.has(code)) {
    for (const text of words) {
      const found = byWords.find(([pattern]) => pattern.test(text))
      if (found) return found[1]
    }
    if (code === 'invalid_client') return 'client_assertion'
  }
  return byCode[code] ?? 'other'
}

function mismatch(code: string, route: string | undefined, grant: unknown): CheckName {
  if (code === 'invalid_client') return 'client_assertion'
  if (code !== 'invalid_grant' || route !== 'token') return 'client_id_same'
  return grant === 'refresh_token' ? 'refresh_token_known' : 'code_known'
}
