import { bindsTokens } from '../clients/binds-tokens.ts'
import { scopeSyntax } from '../clients/client.ts'
import { traceClaims } from '../oidc/access-token.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import type { ResourceAccess } from '../oidc/resource-access.ts'
import { assertStillEnabled } from '../oidc/still-enabled.ts'
import { countIssued, tellMachineToken } from '../oidc/token-endpoint.ts'
import { newHandle } from '../secrets/handle.ts'
import { signedJwt } from '../signing/jwt.ts'
import type { KeySet } from '../signing/key-set.ts'
import type { PlainHandler } from './direct.ts'

const grantType = 'client_credentials'

/** A machine's token (RFC 6749 §4.4) as a JWT (RFC 9068 §2.2), bound to no key. */
export function plainClientCredentials(
  context: IssuerContext,
  keys: KeySet,
  access: ResourceAccess,
): PlainHandler {
  const { tenant, issuer, clock, config } = context

  return {
    parameters: ['grant_type', 'scope', 'resource'],
    async answer({
      parameters: { scope: wanted, resource },
      caller: { client, metadata, engine },
    }) {
      if (bindsTokens(metadata) || !engine.grantTypeAllowed(grantType)) return undefined
      if (wanted !== undefined && !scopeSyntax.test(wanted)) return undefined
      const reached = await access.forMachine({ scope: wanted, resource }, engine)
      if (reached?.server.access_token_format !== 'jwt') return undefined
      const { server, scope } = reached
      const key = keys.signing.find(({ alg }) => alg === server.access_token_signing_alg)
      if (!key) return undefined

      const { clientId } = client
      const iat = clock.seconds()
      // The token is dated before this check: disabling the client later denies tokens of that date.
      await assertStillEnabled(context, clientId)
      const expiresIn = config.accessTokenTtl
      const token = await signedJwt(key, 'at+jwt', {
        ...traceClaims(tenant, { clientId }, undefined),
        jti: newHandle(),
        sub: clientId,
        iat,
        exp: iat + expiresIn,
        scope,
        client_id: clientId,
        iss: issuer,
        aud: server.identifier,
      })
      tellMachineToken(context, { clientId, scope, resource: [server.identifier] })
      countIssued(context, grantType)
      return { access_token: token, expires_in: expiresIn, scope, token_type: 'Bearer' }
    },
  }
}
