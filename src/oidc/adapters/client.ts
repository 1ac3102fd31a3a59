import { randomBytes } from 'node:crypto'
import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import { networkOf } from '../../attempts/network.ts'
import { type ClientMetadata, deviceCodeGrant, secretsOf } from '../../clients/client.ts'
import { fapiForced } from '../../clients/fapi.ts'
import { present } from '../../present.ts'
import { accountClient } from '../account-client.ts'
import type { IssuerContext } from '../capabilities.ts'
import { secretBehind } from '../client-assertion.ts'
import { assertMayAuthenticate, assertMayBeUnknown } from '../client-guessing.ts'
import { routes } from '../routes.ts'
import { judgeStored } from '../stored-client.ts'
import { inert } from './inert.ts'

/**
 * A random stand-in: the engine insists on a secret for clients that authenticate with one. The comparison with the
 * stored hash is `compareClientSecret` (client-policy.ts).
 */
const nobodysSecret = randomBytes(32).toString('base64url')

/** Members that the engine stores for us, without a meaning to itself. */
export const ownMembers = [
  'fapi',
  'errors_need_sign_in',
  'registered_by',
  'require_pkce',
  'require_mfa',
  'client_assertion_audience',
  'id_token_scope_claims',
  'require_dpop_nonce',
  'backchannel_logout_uri',
  'backchannel_logout_session_required',
  'resources',
  'registered_scope',
  'refresh_token_rotation',
  'refresh_token_idle_ttl',
  'refresh_token_absolute_ttl',
  'refresh_replay_window',
] as const

/**
 * Metadata in the engine's form. The engine knows only OpenID scopes, so the client's `scope` becomes
 * `registered_scope`, which resource-access.ts enforces.
 * @param secret only for a client whose authentication method needs it in clear
 */
export function engineMetadata(
  { scope, ...metadata }: ClientMetadata,
  secret: string = nobodysSecret,
): AdapterPayload {
  const usesCode = metadata.grant_types.includes('authorization_code')
  return {
    ...metadata,
    ...(metadata.fapi ? fapiForced : {}),
    ...present({ registered_scope: scope }),
    response_types: usesCode ? ['code'] : [],
    // The engine insists on https even on loopback, and never calls it: the outbox does (backchannel/pings.ts).
    ...(metadata.backchannel_client_notification_endpoint === undefined
      ? {}
      : { backchannel_client_notification_endpoint: 'https://client.invalid' }),
    ...(secretsOf(metadata.token_endpoint_auth_method) === 'none' ? {} : { client_secret: secret }),
  }
}

/** Clients, read-only for the engine. One whose stored metadata is invalid is refused, and its faults are logged. */
export function clientAdapter(context: IssuerContext): Adapter {
  const { config, tenant, issuer, clients, clientDocuments, log } = context
  const own = accountClient(issuer)
  const refuse = async () => {
    throw new Error('the engine must not write clients')
  }
  return {
    ...inert,
    async find(id) {
      assertMayAuthenticate(context, Provider.ctx, id)
      if (id === own.client_id) return engineMetadata(own)
      const network = networkThatAsks(Provider.ctx)
      const isSettled = await clientDocuments.settle(tenant, id, { network })
      const client = isSettled ? await clientDocuments.find(tenant, id) : undefined
      if (!client) {
        assertMayBeUnknown(context, Provider.ctx)
        return undefined
      }
      const { metadata, faults } = judgeStored(config, client)
      if (faults) {
        log.error({ client_id: id, tenant, faults }, 'stored client is not valid')
        throw new errors.InvalidClient(
          'client is invalid',
          `stored client ${id}: ${faults.join('; ')}`,
        )
      }
      const assertion = Provider.ctx?.oidc?.params?.['client_assertion']
      const secret = await secretBehind(assertion, clients.readableSecrets(client))
      const registeredBy = client.selfRegistered ? { registered_by: 'self' } : {}
      return { ...engineMetadata(metadata, secret), ...registeredBy }
    },
    upsert: refuse,
    destroy: refuse,
    consume: refuse,
  }
}

/** The paths where a client that no user has allowed anything yet may begin; elsewhere it is unknown. */
const beginnings: ReadonlySet<string> = new Set([
  routes.authorization,
  routes.pushed_authorization_request,
  routes.device_authorization,
])

function networkThatAsks(ctx: typeof Provider.ctx): string | undefined {
  if (!ctx) return undefined
  // A device polls before a person has decided, and for longer than a copy of the document is fresh.
  const waits = ctx.oidc?.params?.['grant_type'] === deviceCodeGrant
  const begins = beginnings.has(ctx.path) || ctx.path.startsWith(`${routes.authorization}/`)
  return begins || waits ? networkOf(ctx.ip ?? '') : undefined
}
