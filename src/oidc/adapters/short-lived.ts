import type { Adapter, AdapterPayload } from 'oidc-provider'
import { hashOf } from '../../secrets/handle.ts'
import type { IssuerContext } from '../capabilities.ts'
import { clockTolerance } from '../lifetimes.ts'
import { invalidGrant } from '../token-request.ts'
import { inert } from './inert.ts'

/** Marks an id that is the hash of a handle, for records that were found without the handle. */
export const byHash = 'sha256:'

/** The hash of a handle, or the hash that is given in its place. */
export function hashIn(id: string): string {
  return id.startsWith(byHash) ? id.slice(byHash.length) : hashOf(id)
}

/** Models that are never used up, so that Postgres need not be asked (architecture §4, introspection). */
const reusable: ReadonlySet<string> = new Set(['AccessToken', 'ClientCredentials', 'Interaction'])

/** The payloads of a model in the short-lived store: written without their handles, returned with them. */
export function storedPayloads(model: string, { tenant, shortLived }: IssuerContext) {
  const keyOf = (id: string) => ({ tenant, model, id: hashIn(id) })
  const bare = ({ jti: _jti, consumed: _consumed, ...payload }: AdapterPayload, id: string) =>
    stripped(payload, id)
  const whole = (stored: unknown, id: string): AdapterPayload | undefined =>
    stored === undefined ? undefined : { ...restored(stored as AdapterPayload, id), jti: id }

  return {
    get: async (id: string) => whole(await shortLived.get(keyOf(id)), id),
    take: async (id: string) => whole(await shortLived.take(keyOf(id)), id),
    put: (id: string, payload: AdapterPayload, expiresIn: number) =>
      shortLived.put(keyOf(id), bare(payload, id), expiresIn + clockTolerance),
    replace: (id: string, payload: AdapterPayload, expiresIn: number) =>
      shortLived.replace(keyOf(id), bare(payload, id), expiresIn + clockTolerance),
    delete: (id: string) => shortLived.delete(keyOf(id)),
  }
}

/**
 * Codes, interactions, opaque access tokens and the like. The payload is short-lived and may vanish; its use is
 * recorded in Postgres (architecture §4). Neither holds the handle.
 */
export function shortLivedAdapter(model: string, context: IssuerContext): Adapter {
  const { tenant, singleUse } = context
  const payloads = storedPayloads(model, context)
  const spentKey = (id: string) => ({ tenant, kind: model, key: hashIn(id) })

  async function load(id: string): Promise<AdapterPayload | undefined> {
    const stored = await payloads.get(id)
    if (!stored || reusable.has(model)) return stored
    const spent = await singleUse.spentAt(spentKey(id))
    return { ...stored, ...(spent === undefined ? {} : { consumed: Math.floor(spent / 1000) }) }
  }

  return {
    ...inert,
    upsert: (id, payload, expiresIn = 0) => payloads.put(id, payload, expiresIn),
    // A caller must not be able to present a hash in place of the handle.
    find: async (id) => (id.startsWith(byHash) ? undefined : load(id)),
    async consume(id) {
      const stored = await load(id)
      // The claim must outlive the artifact, which would otherwise be usable again after a restore from a backup.
      if (!stored?.exp) throw invalidGrant(`${model} vanished`)
      const first = await singleUse.spend(spentKey(id), (stored.exp + clockTolerance) * 1000)
      if (!first) throw invalidGrant(`${model} already used`)
    },
    destroy: payloads.delete,
  }
}

// Handles inside payloads are removed: the interaction's own in `returnTo`, the session's in `cookie`, and that of a
// pushed request.
const ownHandle = '{id}'

function stripped(payload: AdapterPayload, id: string): AdapterPayload {
  const { session, returnTo, parJti, ...rest } = payload
  return {
    ...rest,
    ...(session ? { session: { ...session, cookie: undefined } } : {}),
    ...(returnTo ? { returnTo: returnTo.replaceAll(id, ownHandle) } : {}),
    ...(parJti ? { parJti: byHash + hashIn(parJti) } : {}),
  }
}

function restored(payload: AdapterPayload, id: string): AdapterPayload {
  const { returnTo } = payload
  return returnTo ? { ...payload, returnTo: returnTo.replaceAll(ownHandle, id) } : payload
}
