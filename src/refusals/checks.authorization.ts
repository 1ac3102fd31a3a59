import type { CheckRow } from './check.ts'

/** Checks of authorization requests: at the endpoint, pushed, and for devices. */
export const authorizationChecks = {
  authorize_address: [
    'The request goes to the authorization endpoint of the issuer.',
    'RFC 8414 §2',
    'Take `authorization_endpoint` from the discovery document; check the tenant in the path.',
  ],
  tenant_known: [
    'The tenant exists and is not disabled.',
    'docs/command-line.md, tenants',
    'Compare the name after `/t/` in the URL with `tenants list`; a disabled tenant is enabled with `tenants enable`.',
  ],
  client_known: [
    'The client is registered in this tenant and not disabled.',
    'RFC 6749 §4.1.2.1',
    'Compare `client_id` with `clients list`; check the tenant. A disabled client is enabled with `clients enable`.',
  ],
  parameters_present: [
    'Every required parameter is present.',
    'RFC 6749 §4.1.1',
    'Send the missing parameters; with POST, in the form body.',
  ],
  parameters_once: [
    'No parameter is repeated.',
    'RFC 6749 §3.1',
    'Send each parameter once; only `resource` may be repeated.',
  ],
  redirect_uri_registered: [
    'The redirect URI is one that the client registered, compared as a string; a native client may use any port on loopback.',
    'RFC 9700 §2.1, RFC 8252 §7.3',
    'Send exactly a registered address, or register this one in `redirect_uris`.',
  ],
  response_type_supported: [
    'The response type is `code`.',
    'OAuth 2.1 §4.1.1',
    'Send `response_type=code`; the implicit and hybrid flows are not supported.',
  ],
  response_type_allowed: [
    'The client may use this response type.',
    'RFC 7591 §2',
    'Register the client with the grant type `authorization_code`.',
  ],
  response_mode_supported: [
    'The response mode is one of those in the discovery document.',
    'OAuth 2.0 Multiple Response Types §2.1',
    'Omit `response_mode`, or use one of `response_modes_supported`.',
  ],
  response_mode_allowed: [
    'The response mode fits the client and the response type.',
    'JARM §2.3, FAPI 2.0 §5.3.2',
    'Omit `response_mode`, or use another.',
  ],
  grant_type_allowed: [
    'The client is registered for this grant type.',
    'RFC 6749 §5.2',
    'Add the grant type to `grant_types` of the client.',
  ],
  scope_characters: [
    'Scopes are printable characters, separated by single spaces.',
    'RFC 6749 §3.3',
    'URL-encode the parameter once, and separate scopes by spaces, not commas.',
  ],
  scope_known: [
    'At least one of the requested scopes exists; for `client_credentials` all belong to the resource server.',
    'RFC 6749 §3.3',
    'Request scopes of OpenID Connect or of the resource server, separated by spaces; if it is not the default one, send its identifier in `resource`.',
  ],
  scope_allowed: [
    'The client may have every requested scope that exists.',
    'RFC 6749 §3.3, RFC 7591 §2',
    'Request fewer scopes, or add the scope to `scope` of the client.',
  ],
  openid_requested: [
    'A request with parameters of OpenID Connect includes the scope `openid`.',
    'OpenID Connect Core §3.1.2.1',
    'Add `openid` to `scope`, or omit the parameter that the reason names.',
  ],
  resource_uri: [
    'A resource indicator is an absolute URI without a fragment.',
    'RFC 8707 §2',
    'Send the identifier of the resource server as it was declared.',
  ],
  resource_known: [
    'The resource server exists.',
    'RFC 8707 §2',
    'Declare it under `resource_servers`, or send exactly the identifier of one that exists: a trailing slash matters.',
  ],
  resource_allowed: [
    'The client may reach the resource server.',
    'RFC 8707 §2',
    'Add it to `resources` of the client; for client credentials name one of its scopes in `scope` of the client. A client that registered itself needs `open: true` on the resource server.',
  ],
  resource_granted: [
    'The resource is one that the authorization request named.',
    'RFC 8707 §2.2',
    'Send it in `resource` of the authorization request, too; there it may be repeated.',
  ],
  resource_single: [
    'An access token is for one resource server.',
    'RFC 8707 §2.2, RFC 9068 §3',
    'Send one `resource` per token request; the same refresh token gets access tokens for all that were allowed, one after the other.',
  ],
  pkce_present: [
    'The request has a code challenge.',
    'OAuth 2.1 §4.1.1, RFC 9700 §2.1.1',
    'Send `code_challenge` with `code_challenge_method=S256`; client libraries have a setting for PKCE.',
  ],
  pkce_method: [
    'The code challenge method is S256.',
    'RFC 7636 §4.3',
    'Send `code_challenge_method=S256`; `plain` would reveal the verifier.',
  ],
  pkce_format: [
    'The code challenge, or verifier, has 43 to 128 unreserved characters.',
    'RFC 7636 §4.1',
    'Use 32 random bytes in base64url, without padding, as verifier, and its SHA-256 in base64url as challenge.',
  ],
  dpop_jkt_format: [
    '`dpop_jkt` is the SHA-256 thumbprint of a key in base64url, 43 characters.',
    'RFC 9449 §10, RFC 7638 §3',
    'Send the thumbprint of the key that signs the proofs, without padding, or omit `dpop_jkt`.',
  ],
  nonce_present: [
    'If the client is exempt from PKCE, the request has a nonce.',
    'OAuth 2.1 §4.1.1, RFC 9700 §2.1.1',
    'Send `nonce`, or better: use PKCE.',
  ],
  prompt_supported: [
    '`prompt` has only values that are supported, and `none` stands alone.',
    'OpenID Connect Core §3.1.2.1',
    'Use values of `prompt_values_supported`.',
  ],
  max_age_number: [
    '`max_age` is a number of seconds.',
    'OpenID Connect Core §3.1.2.1',
    'Send a non-negative integer.',
  ],
  claims_parameter: [
    '`claims` is a JSON object with the members `userinfo` or `id_token`.',
    'OpenID Connect Core §5.5',
    'Encode the object as JSON, then URL-encode it once.',
  ],
  acr_reachable: [
    'An authentication context that the request requires can be reached.',
    'OpenID Connect Core §5.5.1.1, OpenID Connect Unmet Authentication Requirements §2',
    'Request one of `acr_values_supported`; the user needs a second factor for it.',
  ],
  id_token_hint_valid: [
    '`id_token_hint` is an ID token of this issuer for this client.',
    'OpenID Connect Core §3.1.2.1',
    'Send the latest ID token unchanged. If its signing key was removed, it cannot be verified any more: omit it.',
  ],
  request_pushed: [
    'The client pushes its requests.',
    'RFC 9126 §5, FAPI 2.0 §5.3.2',
    'Push the request to `pushed_authorization_request_endpoint` and send `request_uri`.',
  ],
  request_signed: [
    'The client signs its requests.',
    'RFC 9101 §10.5',
    'Send a request object in `request`, or remove `require_signed_request_object` from the client.',
  ],
  request_object_valid: [
    'The request object is from this client and for this issuer: type, algorithm, signature, `iss`, `aud`, times.',
    'RFC 9101 §4, §6, §10',
    'The reason names the member. Check the keys of the client (`jwks`, `jwks_uri`) and its clock.',
  ],
  request_uri_alive: [
    'The pushed request exists, belongs to this client, has not expired and was not used.',
    'RFC 9126 §4',
    'Push again for each authorization request, and use `request_uri` within its `expires_in`.',
  ],
  request_uri_pushed: [
    '`request_uri` was issued by this server.',
    'RFC 9126 §2.2',
    'Push the request; this server fetches no other `request_uri`.',
  ],
  request_form: [
    'The request has one form: parameters, `request`, or `request_uri`.',
    'RFC 9101 §5',
    'Send either `request` or `request_uri`, and no `registration`.',
  ],
  nobody_asked: [
    'With `prompt=none` no interaction with the user is needed.',
    'OpenID Connect Core §3.1.2.6',
    'Send the user here without `prompt=none`. If everybody is affected: browsers block cookies in an iframe of another site.',
  ],
  person_allowed: [
    'The user allows the request.',
    'RFC 6749 §4.1.2.1',
    'Nothing is wrong with the request: the user cancelled or denied it.',
  ],
  ciba_hint: [
    'Exactly one hint names the user, and that user exists.',
    'CIBA Core §7.1, §7.2',
    'Send either `login_hint` or `id_token_hint`; `login_hint_token` is not supported.',
  ],
  ciba_request: [
    'The parameters of the backchannel request are well formed.',
    'CIBA Core §7.1',
    'The reason names the parameter.',
  ],
} as const satisfies Record<string, CheckRow>
