import type { CheckRow } from './check.ts'

/** Checks of client authentication, and of the binding of tokens to a client. */
export const clientChecks = {
  authentication_present: [
    'The request identifies its client.',
    'RFC 6749 §2.3, §3.2.1',
    'Send the credentials as `token_endpoint_auth_method` says; a public client sends `client_id`.',
  ],
  authentication_once: [
    'The client uses one authentication method.',
    'RFC 6749 §2.3',
    'Send the secret in the header or in the body, not in both; send no secret with an assertion.',
  ],
  authentication_method: [
    'The client authenticates in the way that it is registered for.',
    'RFC 7591 §2, RFC 9700 §2.5',
    'Set the same method in `token_endpoint_auth_method` of the client and in its library.',
  ],
  authorization_header: [
    'The header `Authorization` is well formed: id and secret form-encoded, then joined by a colon in base64.',
    'RFC 6749 §2.3.1',
    'Encode both before joining them; `:` `%` `+` in a secret need it. A public client sends no header, but `client_id`.',
  ],
  client_id_same: [
    '`client_id` is the same everywhere in the request.',
    'RFC 6749 §3.2.1, RFC 7521 §4.2',
    'Leave `client_id` out of the body where the credentials name the client.',
  ],
  client_secret: [
    'The client secret is correct.',
    'RFC 6749 §2.3.1',
    'Compare it with the secret that was shown when the client was created; `clients rotate-secret` adds another.',
  ],
  client_secret_current: [
    'The client secret has not expired.',
    'RFC 7591 §3.2.1',
    'Give the client a new secret with `clients rotate-secret`.',
  ],
  client_assertion: [
    'The client assertion is signed by the client with its algorithm, names it in `iss` and `sub`, this server in `aud`, and is short-lived.',
    'RFC 7523 §3, RFC 9700 §2.5',
    'The reason names the member. Check the keys (`jwks`, `jwks_uri`) and the clock; `aud` must be the issuer.',
  ],
  client_assertion_once: [
    'A client assertion is used once.',
    'RFC 7523 §3',
    'Create one with a new `jti` for each request, including retries.',
  ],
  certificate_present: [
    'The request presents a certificate if the token is bound to one.',
    'RFC 8705 §3, §5',
    'Call the URL in `mtls_endpoint_aliases` of the discovery document, with the certificate; behind a proxy, check that it forwards the certificate.',
  ],
  client_certificate: [
    'The certificate of the connection is the one that the client registered.',
    'RFC 8705 §2',
    'Compare `tls_client_auth_*` or the keys of the client with the certificate; behind a proxy, check that it forwards the certificate.',
  ],
  dpop_present: [
    'The request proves possession of the key with a DPoP proof.',
    'RFC 9449 §5, §7.1',
    'Send the header `DPoP`. With an access token, use the scheme `DPoP` in `Authorization`.',
  ],
  dpop_proof: [
    'The DPoP proof is for this request: method, address, time, access token, and a new `jti`.',
    'RFC 9449 §4.3',
    'Create a proof for each request, with the URL that the client calls. If everybody is affected: `ISSUER` is not the URL that clients use, or a clock is wrong.',
  ],
  dpop_nonce: [
    'The DPoP proof has the current nonce of this server.',
    'RFC 9449 §8',
    'Nothing: the client retries with the nonce in the header `DPoP-Nonce` of this response.',
  ],
  key_same: [
    'The key is the one that the token, or the code, is bound to.',
    'RFC 9449 §5, RFC 8705 §3, §4',
    'Keep the key for as long as the token. If it was not your client, the token was stolen: `families revoke`.',
  ],
  origin_allowed: [
    'Calls from a browser come from an origin of the client’s redirect URIs; confidential clients do not call from browsers.',
    'Fetch §3.2, RFC 9700 §2.6',
    'Register a redirect URI of this origin, or call from a server.',
  ],
} as const satisfies Record<string, CheckRow>
