import type { KoaContextWithOIDC } from 'oidc-provider'
import type { CheckName } from '../refusals/checks.ts'
import { mask, maskAddress, maskClientId } from '../refusals/mask.ts'
import { multiFactor } from './authentication-context.ts'
import { accessTokenValues, assertionValues, hintValues, proofValues } from './refused-jwts.ts'

/** What a check expected and received, without secrets. */
export interface Values {
  expected?: string | undefined
  received?: string | undefined
}

/** A parameter. Others may have been joined to it by a wrong separator (`;`): their values are masked. */
const text = (value: unknown): string =>
  value === undefined || value === ''
    ? 'nothing'
    : (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(
        /=([^&;\s]+)/g,
        (_pair, joined: string) => `=${mask(joined)}`,
      )

/** The granted resources of what is redeemed. */
const grantedResource = ({ entities }: KoaContextWithOIDC['oidc']) =>
  (entities.RefreshToken ?? entities.AuthorizationCode ?? entities.DeviceCode)?.resource

const listed = (values: readonly unknown[] | undefined): string =>
  values === undefined || values.length === 0 ? 'nothing' : values.join(', ')

type Reader = (
  oidc: KoaContextWithOIDC['oidc'],
  params: Record<string, unknown>,
  ctx: KoaContextWithOIDC,
) => Values

/** The expected and received values of the checks that have some; for the others the reason says it all. */
const readers: Partial<Record<CheckName, Reader>> = {
  client_known: (_oidc, params, ctx) => ({
    expected: 'an enabled client of this tenant',
    received: text(unknownClient(params, ctx)),
  }),
  parameters_once: (_oidc, _params, ctx) => ({
    expected: 'each parameter once',
    received: listed(twice(ctx)),
  }),
  redirect_uri_registered: ({ client }, { redirect_uri: uri }) => ({
    expected: listed(client?.redirectUris?.map(maskAddress)),
    received: maskAddress(uri),
  }),
  response_type_supported: (_oidc, { response_type: type }) => ({
    expected: 'code',
    received: text(type),
  }),
  response_type_allowed: ({ client }, { response_type: type }) => ({
    expected: listed(client?.responseTypes),
    received: text(type),
  }),
  response_mode_supported: (_oidc, { response_mode: mode }) => ({
    expected: 'query, fragment, form_post, jwt, query.jwt, fragment.jwt or form_post.jwt',
    received: text(mode),
  }),
  response_mode_allowed: (_oidc, { response_mode: mode }) => ({
    expected: 'another response_mode, or none',
    received: text(mode),
  }),
  grant_type_allowed: ({ client, route }, { grant_type: type }) => ({
    expected: listed(client?.grantTypes),
    received: text(type ?? route),
  }),
  grant_type_supported: (_oidc, { grant_type: type }) => ({
    expected: 'one of grant_types_supported of the discovery document',
    received: text(type),
  }),
  scope_known: (_oidc, { scope }) => ({
    expected: 'a scope of OpenID Connect or of the resource server',
    received: text(scope),
  }),
  scope_allowed: ({ client }, { scope }) => ({
    expected: text(client?.['registered_scope'] ?? 'scopes that this client may have'),
    received: text(scope),
  }),
  scope_characters: (_oidc, { scope }) => ({
    expected:
      'printable characters without " and \\, single spaces between scopes, none at the ends',
    received: JSON.stringify(scope),
  }),
  openid_requested: (_oidc, { scope }) => ({ expected: 'openid', received: text(scope) }),
  resource_uri: (_oidc, { resource }) => ({
    expected: 'an absolute URI without a fragment',
    received: text(resource),
  }),
  resource_known: (oidc, { resource }) => ({
    expected: 'the identifier of a resource server of this tenant',
    received: text(resource ?? grantedResource(oidc)),
  }),
  resource_allowed: ({ client }, { resource }) => ({
    expected: listed(
      (client?.['resources'] as string[] | undefined) ?? [
        'a resource server of which the client has a scope',
      ],
    ),
    received: text(resource),
  }),
  resource_granted: (oidc, { resource }) => ({
    expected: listed([grantedResource(oidc) ?? 'a resource of the authorization request'].flat()),
    received: text(resource),
  }),
  resource_single: (_oidc, { resource }) => ({
    expected: 'one resource',
    received: Array.isArray(resource) ? listed(resource) : text(resource),
  }),
  pkce_present: (_oidc, { code_challenge: challenge }) => ({
    expected: 'code_challenge and code_challenge_method=S256',
    received: mask(challenge),
  }),
  pkce_method: (_oidc, { code_challenge_method: method }) => ({
    expected: 'S256',
    received: text(method),
  }),
  pkce_format: (_oidc, { code_challenge: challenge, code_verifier: verifier }) => ({
    expected: '43 to 128 characters',
    received: mask(verifier ?? challenge),
  }),
  dpop_jkt_format: (_oidc, { dpop_jkt: thumbprint }) => ({
    expected: '43 characters of base64url',
    received: mask(thumbprint),
  }),
  nonce_present: () => ({ expected: 'nonce or code_challenge', received: 'nothing' }),
  prompt_supported: (_oidc, { prompt }) => ({
    expected: 'none, or some of login, consent and select_account',
    received: text(prompt),
  }),
  max_age_number: (_oidc, { max_age: age }) => ({
    expected: 'a non-negative number of seconds',
    received: text(age),
  }),
  acr_reachable: (_oidc, { claims, acr_values: values }) => ({
    expected: multiFactor,
    received: text(values ?? claims),
  }),
  request_uri_pushed: (_oidc, { request_uri: uri }) => ({
    expected: 'urn:ietf:params:oauth:request_uri:…',
    received: maskAddress(uri),
  }),
  nobody_asked: ({ session }, { prompt }) => ({
    expected: 'a signed-in user who has consented to everything that is requested',
    received: `prompt=${text(prompt)}, ${session?.accountId ? 'a user is signed in' : 'no user is signed in'}`,
  }),
  authentication_method: ({ client }, _params, ctx) => ({
    expected: text(client?.clientAuthMethod),
    received: methodOf(ctx),
  }),
  authentication_present: (_oidc, _params, ctx) => ({
    expected: 'client_id, with the credentials of the client',
    received: methodOf(ctx),
  }),
  authentication_once: (_oidc, _params, ctx) => ({
    expected: 'one authentication method',
    received: methodOf(ctx),
  }),
  authorization_header: (_oidc, _params, ctx) => ({
    expected: 'Basic, id and secret joined by a colon, in base64',
    received: methodOf(ctx) + (basicCredentials(ctx)?.secret === '' ? ', without a secret' : ''),
  }),
  certificate_present: (_oidc, _params, ctx) => ({
    expected: 'the client certificate, sent to a URL of mtls_endpoint_aliases',
    received: `no certificate, but ${methodOf(ctx)}`,
  }),
  client_secret: ({ client }, { client_secret: secret }, ctx) => ({
    expected: 'a valid secret of this client',
    received: `${mask(secret ?? basicCredentials(ctx)?.secret)} by ${text(client?.clientAuthMethod)}`,
  }),
  client_assertion: (_oidc, { client_assertion: assertion }, ctx) =>
    assertionValues(ctx, assertion),
  client_id_same: ({ client }, { client_id: id }) => ({
    expected: text(client?.clientId),
    received: text(id),
  }),
  origin_allowed: ({ client, route }, _params, ctx) => ({
    expected:
      route === 'userinfo' || client?.clientAuthMethod === 'none'
        ? listed(client?.redirectUris?.map((uri) => URL.parse(uri)?.origin))
        : `no browser: this client is confidential (${text(client?.clientAuthMethod)})`,
    received: ctx.get('origin'),
  }),
  body_form: (_oidc, _params, ctx) => ({
    expected: 'application/x-www-form-urlencoded',
    received: ctx.get('content-type') || 'nothing',
  }),
  code_known: (_oidc, { code, device_code: device }) => ({
    expected: 'a code of this issuer for this client',
    received: mask(code ?? device),
  }),
  code_redirect_uri: ({ client }, { redirect_uri: uri }) => ({
    expected: `the one of the authorization request; registered: ${listed(client?.redirectUris?.map(maskAddress))}`,
    received: maskAddress(uri),
  }),
  code_verifier: (_oidc, { code_verifier: verifier }) => ({
    expected: 'the verifier of the code_challenge in the authorization request',
    received: mask(verifier),
  }),
  refresh_token_known: (_oidc, { refresh_token: token }) => ({
    expected: 'a valid refresh token of this client, 43 characters or more',
    received: mask(token),
  }),
  refresh_scope: (_oidc, { scope }) => ({
    expected: 'scopes of the authorization request that the user allowed',
    received: text(scope),
  }),
  access_token_valid: (_oidc, _params, ctx) => accessTokenValues(ctx),
  access_token_audience: (_oidc, _params, ctx) => ({
    ...accessTokenValues(ctx),
    expected: 'an access token for userinfo: of the default resource server, with the scope openid',
  }),
  access_token_scope: ({ entities }) => ({
    expected: 'openid',
    received: text(entities.AccessToken?.scope),
  }),
  introspection_form: (_oidc, _params, ctx) => ({
    expected: 'application/token-introspection+jwt',
    received: ctx.get('accept') || 'nothing',
  }),
  id_token_hint_valid: (_oidc, { id_token_hint: hint }, ctx) => hintValues(ctx, hint),
  logout_hint: (_oidc, { id_token_hint: hint }, ctx) => hintValues(ctx, hint),
  post_logout_redirect_uri_registered: ({ client }, { post_logout_redirect_uri: uri }) => ({
    expected: listed(client?.postLogoutRedirectUris?.map(maskAddress)),
    received: maskAddress(uri),
  }),
  dpop_proof: (_oidc, _params, ctx) => proofValues(ctx),
  dpop_nonce: (_oidc, _params, ctx) => proofValues(ctx),
}

/** What the check expected of this request, and what it received. */
export function refusedValues(check: CheckName, ctx: KoaContextWithOIDC): Values {
  if (!ctx.oidc) return {}
  return readers[check]?.(ctx.oidc, paramsOf(ctx), ctx) ?? {}
}

/** The client id of a request, fit to be shown: an unknown one is masked, as it may be a secret. */
export function shownClient(ctx: KoaContextWithOIDC): string | undefined {
  if (!ctx.oidc) return undefined
  return ctx.oidc.client?.clientId ?? unknownClient(paramsOf(ctx), ctx)
}

/** The engine drops parameters that it cannot use; here they are all there. */
function paramsOf(ctx: KoaContextWithOIDC): Record<string, unknown> {
  const { body, params } = ctx.oidc
  return { ...params, ...ctx.query, ...body }
}

function unknownClient(
  { client_id: named, client_secret: secret }: Record<string, unknown>,
  ctx: KoaContextWithOIDC,
): string | undefined {
  const basic = basicCredentials(ctx)
  const id = named ?? basic?.id
  if (id === undefined) return undefined
  return typeof id === 'string' ? maskClientId(id, secret ?? basic?.secret) : mask(id)
}

function twice(ctx: KoaContextWithOIDC): string[] {
  const all = { ...ctx.query, ...ctx.oidc.body } as Record<string, unknown>
  return Object.keys(all).filter((name) => Array.isArray(all[name]))
}

/** The credentials as they were encoded; undefined for a malformed header, all of which may be the secret. */
function basicCredentials(ctx: KoaContextWithOIDC): { id: string; secret: string } | undefined {
  const [scheme, encoded] = ctx.get('authorization').split(' ')
  if (scheme?.toLowerCase() !== 'basic' || encoded === undefined) return undefined
  const joined = Buffer.from(encoded, 'base64').toString()
  const colon = joined.indexOf(':')
  return colon < 0 ? undefined : { id: joined.slice(0, colon), secret: joined.slice(colon + 1) }
}

/** The ways in which a request brought credentials. */
function methodOf(ctx: KoaContextWithOIDC): string {
  const body = (ctx.oidc.body ?? {}) as Record<string, unknown>
  const ways = [
    ctx.get('authorization') && `Authorization: ${schemeOf(ctx.get('authorization'))}`,
    body['client_secret'] && 'client_secret in the body',
    body['client_assertion'] && 'client_assertion',
    body['client_id'] && 'client_id in the body',
  ]
  return listed(ways.filter(Boolean))
}

/** A header without a scheme may be nothing but the secret. */
function schemeOf(header: string): string {
  const [, scheme] = /^(basic|bearer|digest|dpop|negotiate) /i.exec(header) ?? []
  return scheme ?? mask(header)
}
