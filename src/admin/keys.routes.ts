import { z } from 'zod'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { type SigningKey, signingAlgs, stateOf } from '../signing/signing-key.ts'
import { type Call, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Signing keys. No route returns private keys. */

const key = named(
  'SigningKey',
  z.strictObject({
    kid: z.string(),
    alg: z.string(),
    state: z.enum(['unpublished', 'pending', 'active', 'retiring', 'removed', 'revoked']),
    publish_at: timestamp,
    activate_at: timestamp,
    retire_at: timestamp.optional(),
    remove_at: timestamp.optional(),
    revoked_at: timestamp.optional(),
  }),
)
const base = '/tenants/{tenant}/keys'

const representation = ({ core }: Call) => {
  const now = core.clock.now()
  return (each: SigningKey) =>
    present({
      kid: each.kid,
      alg: each.alg,
      state: stateOf(each, now),
      publish_at: rfc3339(each.publishAt),
      activate_at: rfc3339(each.activateAt),
      retire_at: rfc3339(each.retireAt),
      remove_at: rfc3339(each.removeAt),
      revoked_at: rfc3339(each.revokedAt),
    })
}

export const keyRoutes: Route[] = [
  route({
    method: 'GET',
    path: base,
    permission: 'keys:read',
    summary: 'List all signing keys and their states, on one page',
    response: listOf(key),
    async handle(call) {
      const keys = await call.core.signing.list(call.tenant)
      return { items: keys.map(representation(call)) }
    },
  }),
  route({
    method: 'POST',
    path: `${base}/rotate`,
    permission: 'keys:write',
    summary: 'Publish the next signing keys; an algorithm with a pending key is left unchanged',
    body: z.strictObject({ alg: z.enum(signingAlgs).optional() }),
    response: listOf(key),
    // A key may be generated in a PKCS#11 token, which takes long.
    ownTransactions: true,
    async handle(call) {
      const { core, tenant, body } = call
      const next: SigningKey[] = []
      for (const alg of body.alg === undefined ? signingAlgs : [body.alg]) {
        const rotation = await core.signing.rotate(tenant, alg)
        if (rotation) next.push(rotation.next)
      }
      return { items: next.map(representation(call)) }
    },
  }),
  route({
    method: 'POST',
    path: `${base}/{kid}/revoke`,
    permission: 'keys:write',
    summary: 'Revoke a compromised key immediately',
    response: key,
    ownTransactions: true,
    async handle(call) {
      const { core, tenant, params } = call
      const { revoked } = await core.signing.revoke(tenant, params['kid'] ?? '')
      const [now = revoked] = (await core.signing.list(tenant)).filter(
        ({ kid }) => kid === revoked.kid,
      )
      return representation(call)(now)
    },
  }),
]
