import { hash } from 'node:crypto'
import type { Config } from '../../config/config.ts'
import type { Clock } from '../clock.ts'
import { type Denials, type KnownDenials, longestToken, overlap } from '../denials/denials.ts'
import type { Since } from '../denials/deny-list.ts'
import { present } from '../present.ts'
import type { ResourceServer } from '../resources/resource-server.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { issuerOf } from '../tenants/tenant.ts'
import {
  cursorAt,
  documentLife,
  revocationsType,
  revokedBy,
  timeOfCursor,
} from './revocation-document.ts'

/**
 * The part of the deny-list that concerns a resource server, as a signed document, by which it can refuse revoked
 * tokens offline (docs/revocation-feed.md).
 */
export interface RevocationFeed {
  /**
   * What was revoked since a cursor; everything if the cursor is absent, too old or not issued by this server.
   * @throws DomainError `deny_list_stale`, `signing_keys_stale`
   */
  document(tenant: string, server: ResourceServer, since?: string): Promise<RevocationDocument>
  /** The next document of a stream: what reached this node after the one before. @throws as above */
  after(
    tenant: string,
    server: ResourceServer,
    before: Pick<RevocationDocument, 'cursor' | 'arrived'>,
  ): Promise<RevocationDocument>
}

export interface RevocationDocument {
  /** Compact JWS. */
  jws: string
  /** A strong validator, different for each document. */
  etag: string
  cursor: string
  /** The number of the last entry of this node's list that it includes. */
  arrived: number
  /** Number of entries. */
  size: number
}

/** Milliseconds that a document is reused for equal requests. */
const shared = 1000

export function createRevocationFeed(deps: {
  config: Pick<Config, 'issuer'>
  clock: Clock
  denials: Denials
  signing: Pick<SigningKeys, 'sign'>
}): RevocationFeed {
  const { clock, denials, signing } = deps
  const documents = new Map<string, { made: Promise<RevocationDocument>; until: number }>()

  async function make(
    tenant: string,
    { identifier, access_token_format, access_token_signing_alg }: ResourceServer,
    { asOf, arrived, entries }: KnownDenials,
    since: string | undefined,
  ): Promise<RevocationDocument> {
    const cursor = cursorAt(asOf)
    const now = clock.seconds()
    // The algorithm declared for opaque tokens is unused and may have no key.
    const alg = access_token_format === 'jwt' ? access_token_signing_alg : 'ES256'
    const jws = await signing.sign(tenant, alg, revocationsType, {
      iss: issuerOf(deps.config.issuer, tenant),
      aud: identifier,
      iat: now,
      exp: now + documentLife,
      as_of: asOf,
      cursor,
      ...present({ since }),
      revoked: revokedBy(entries),
    })
    const digest = hash('sha256', jws, 'base64url').slice(0, 22)
    return { jws, etag: `"${digest}"`, cursor, arrived, size: entries.length }
  }

  /** Makes each document once for all requests within a second. */
  function once(
    tenant: string,
    server: ResourceServer,
    what: Since,
    since: string | undefined,
  ): Promise<RevocationDocument> {
    const now = performance.now()
    for (const [key, { until }] of documents) if (until <= now) documents.delete(key)
    const { access_token_signing_alg: alg, access_token_format: format } = server
    const isSnapshot = since === undefined
    // A delta is cheap and must not be late; a snapshot may be large.
    const version = isSnapshot ? 0 : denials.arrived()
    const key = JSON.stringify([tenant, server.identifier, alg, format, since, what, version])
    const known = documents.get(key)
    if (known) return known.made
    const made = make(tenant, server, denials.known(tenant, server.identifier, what), since)
    const entry = { made, until: Infinity }
    documents.set(key, entry)
    made.then(
      () => {
        // Counted from now: those who waited for it have got it, however long it took.
        entry.until = performance.now() + shared
      },
      () => documents.delete(key),
    )
    return made
  }

  return {
    async document(tenant, server, since) {
      const from = since === undefined ? undefined : timeOfCursor(since)
      if (from === undefined) return once(tenant, server, {}, undefined)
      // Another node may have given out the cursor a moment ago: catch up with it first.
      if (from > denials.asOf()) await denials.refresh()
      const asOf = denials.asOf()
      if (from > asOf + overlap || from < asOf - longestToken * 1000) {
        return once(tenant, server, {}, undefined)
      }
      // What was written before the cursor may have been committed after it.
      return once(tenant, server, { writtenAfter: from - overlap }, since)
    },
    after: async (tenant, server, { cursor, arrived }) =>
      once(tenant, server, { arrivedAfter: arrived }, cursor),
  }
}
