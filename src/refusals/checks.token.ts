import type { CheckRow } from './check.ts'

/** Checks at endpoints that issue, accept, introspect and revoke tokens, and that end sessions. */
export const tokenChecks = {
  grant_type_supported: [
    'This server supports the grant type.',
    'RFC 6749 §5.2',
    'Use one of `grant_types_supported`; there is no password grant and no implicit one.',
  ],
  body_form: [
    'The body is form-encoded.',
    'RFC 6749 §3.2, appendix B',
    'Send `Content-Type: application/x-www-form-urlencoded`, with the parameters in the body.',
  ],
  code_known: [
    'The code (also a device code or `auth_req_id`) was issued by this server, to this client.',
    'RFC 6749 §4.1.3',
    'Start again. If everybody is affected: the code is sent to another tenant, or the short-lived store loses data.',
  ],
  code_unused: [
    'An authorization code is used once.',
    'RFC 6749 §4.1.2, RFC 9700 §2.1.1',
    'Redeem it once; if the response was lost, start again. The tokens issued for it were revoked. A common cause is that the callback page was loaded twice.',
  ],
  code_current: [
    'The authorization code is redeemed within a minute.',
    'RFC 6749 §4.1.2',
    'Redeem it at once.',
  ],
  code_redirect_uri: [
    'The redirect URI is the one of the authorization request.',
    'RFC 6749 §4.1.3',
    'Send the same `redirect_uri` to both endpoints.',
  ],
  code_verifier: [
    'The code verifier matches the challenge of the authorization request.',
    'RFC 7636 §4.6',
    'Store the verifier under the `state` of its request; otherwise several tabs overwrite each other’s.',
  ],
  refresh_token_known: [
    'The refresh token was issued by this server, to this client, and its family is alive.',
    'RFC 6749 §6',
    '`families list` and `families show` say whether and why it ended. The user has to sign in again.',
  ],
  refresh_token_once: [
    'A refresh token is used once; a retry with the previous one gets the same response for a short time.',
    'RFC 9700 §4.14.2, docs/security.md',
    'Store the new refresh token before you use anything else of the response. The family was ended: `families show` says who used it. With `"successor_used":false` the client never stored the new token: in Next.js, server components cannot.',
  ],
  refresh_token_current: [
    'The refresh token has not expired, and neither has its family.',
    'RFC 9700 §4.14.2',
    'The user has to sign in again; `refresh_token_idle_ttl` and `refresh_token_absolute_ttl` of the client set the times.',
  ],
  refresh_scope: [
    'A refresh requests no more scopes than were allowed.',
    'RFC 6749 §6',
    'Omit `scope`; for more, start an authorization request.',
  ],
  grant_alive: [
    'The consent of the user was not withdrawn, and has not expired.',
    'RFC 6749 §6, RFC 7009 §2',
    'Start an authorization request: the user is asked again.',
  ],
  account_active: [
    'The account exists and is not disabled.',
    'OpenID Connect Core §12.2',
    'Look it up with `accounts list`; if it was disabled by mistake, run `accounts enable`.',
  ],
  changed_meanwhile: [
    'Nothing that the request depends on ended while it was in progress.',
    'docs/security.md',
    'Nothing: a session, token, client or account was ended at the same moment.',
  ],
  device_code_current: [
    'The device code or backchannel request has not expired.',
    'RFC 8628 §3.5, CIBA Core §11',
    'Request a new one.',
  ],
  access_token_valid: [
    'The access token is from this issuer, and has neither expired nor been revoked.',
    'RFC 6750 §3.1, RFC 7662 §2.2',
    'Refresh the token, or start again. `families show` says whether it was revoked.',
  ],
  access_token_place: [
    'The access token is sent once, in the header `Authorization` or the form, never in the URL.',
    'RFC 6750 §2, RFC 9449 §7.1',
    'Send `Authorization: Bearer`, or `DPoP` where the token is bound to a key.',
  ],
  access_token_audience: [
    'The access token is for userinfo.',
    'OpenID Connect Core §5.3, RFC 9068 §4',
    'Request a token without `resource`, or for the default resource server.',
  ],
  access_token_scope: [
    'The access token has the required scope.',
    'RFC 6750 §3.1, OpenID Connect Core §5.3',
    'Request `openid` in the authorization request.',
  ],
  introspection_entitled: [
    'The caller is the client that the token was issued to, or may introspect for its audience.',
    'RFC 7662 §4',
    'Name the client in `introspection_clients` of the resource server.',
  ],
  introspection_form: [
    'The client requests the response format that it is registered for.',
    'RFC 9701 §4',
    'Send `Accept: application/token-introspection+jwt`.',
  ],
  revocation_entitled: [
    'A client revokes its own tokens.',
    'RFC 7009 §2.1',
    'Authenticate as the client that the token was issued to; operators use `families revoke`.',
  ],
  logout_hint: [
    '`id_token_hint` is an ID token of this issuer, and `client_id` matches it.',
    'RP-Initiated Logout §2',
    'Send the ID token unchanged, or `client_id` alone.',
  ],
  post_logout_redirect_uri_registered: [
    'The post-logout redirect URI is one that the client registered.',
    'RP-Initiated Logout §3.1',
    'Register it in `post_logout_redirect_uris`, and send exactly the same string.',
  ],
  form_own: [
    'A form comes from a page that this server showed to this browser.',
    'RFC 9700 §4.7',
    'Open the page again. If everybody is affected, browsers do not send the cookies back: check `ISSUER` and the proxy.',
  ],
  sign_in_open: [
    'The sign-in that the browser returns to is still open, and belongs to this browser.',
    'OpenID Connect Core §3.1.2.3',
    'Start again at the application; the browser must send the cookies back.',
  ],
  second_factor: [
    'The second factor is correct, unused, and belongs to the account.',
    'RFC 6238 §5.2, docs/second-factors.md',
    'The user tries the next code, or a recovery code; the clock of the phone must be correct.',
  ],
  user_code: [
    'The code that the user typed belongs to a waiting device.',
    'RFC 8628 §3.3',
    'The user types it again, or starts again at the device.',
  ],
  other: [
    'The request follows its specification.',
    'The error’s own specification',
    'The reason says what was wrong.',
  ],
} as const satisfies Record<string, CheckRow>
