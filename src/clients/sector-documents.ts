import { FetchError } from '../outgoing/fault.ts'
import type { OutgoingFetch } from '../outgoing/fetch.ts'
import { type ClientMetadata, cibaGrant, deviceCodeGrant } from './client.ts'

/** The members that a sector document is about: while they do not change, it is not fetched again. */
type SectorMembers = Partial<
  Pick<ClientMetadata, 'sector_identifier_uri' | 'redirect_uris' | 'jwks_uri' | 'grant_types'>
>

/** Sector documents for one operation, each fetched once. */
export interface SectorDocuments {
  /** Why a client is not in the sector that it names; undefined if it is (OpenID Connect Registration §5). */
  faultOf(client: SectorMembers): Promise<string | undefined>
}

/**
 * A client belongs to the sector of another host only if that host says so. Otherwise anybody could get the same
 * pairwise subjects as the clients there (OpenID Connect Core §8.1). The document at `sector_identifier_uri` must be
 * answered with 200 and be a JSON list of strings with every redirect URI, and for the device flow and CIBA the
 * `jwks_uri`.
 */
export function createSectorDocuments(fetch: OutgoingFetch): SectorDocuments {
  const known = new Map<string, Promise<string[] | string>>()

  /** @returns the list, or what is wrong with it */
  async function load(uri: string): Promise<string[] | string> {
    try {
      const answer = await fetch(uri, { headers: { accept: 'application/json' } })
      if (answer.status !== 200) return `must return status 200, it returned ${answer.status}`
      const list: unknown = await answer.json()
      const isList = Array.isArray(list) && list.every((each) => typeof each === 'string')
      return isList ? list : 'must be a JSON array of strings'
    } catch (error) {
      if (error instanceof SyntaxError) return 'must be JSON'
      if (!(error instanceof FetchError)) throw error
      return `could not be fetched: ${error.code}, ${error.message}`
    }
  }

  return {
    async faultOf({ sector_identifier_uri: uri, ...client }) {
      if (uri === undefined) return undefined
      const pending = known.get(uri) ?? load(uri)
      known.set(uri, pending)
      const list = await pending
      if (typeof list === 'string') return list
      const missing = vouchedFor(client).find((each) => !list.includes(each))
      return missing === undefined ? undefined : `must list ${missing}`
    },
  }
}

/**
 * Removes from a fault what this server met at the address, for self-registered clients: it must not reveal names and
 * open ports to untrusted callers who choose the address (security class C11).
 */
export const withoutAnswer = (fault: string): string =>
  fault.replace(/(: (?:could not be fetched|must return status 200))[:,].*$/s, '$1')

function vouchedFor({ redirect_uris = [], jwks_uri, grant_types = [] }: SectorMembers): string[] {
  const byKeys = grant_types.some((grant) => grant === deviceCodeGrant || grant === cibaGrant)
  return [
    ...redirect_uris,
    ...(byKeys ? [jwks_uri ?? 'the jwks_uri of the client, which has none'] : []),
  ]
}

/** Whether the document must be fetched, as its members changed. @param before stored metadata, if any */
export function needsSectorDocument(wanted: SectorMembers, before: unknown): boolean {
  if (wanted.sector_identifier_uri === undefined) return false
  const known = (before ?? {}) as SectorMembers
  const about = ({ sector_identifier_uri: uri, ...client }: SectorMembers) =>
    JSON.stringify([uri, vouchedFor(client)])
  return about(wanted) !== about(known)
}
