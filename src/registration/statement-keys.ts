import { DomainError } from '../errors.ts'
import { FetchError } from '../outgoing/fault.ts'
import type { Platform } from '../platform.ts'

type Jwk = Record<string, unknown> & { kty: string }

/** The keys of trusted issuers, by the address where they are published. */
export interface StatementKeys {
  /**
   * @param kid if it is missing among the known keys, they are fetched again, at most once a minute
   * @throws DomainError `issuer_keys_unavailable`
   */
  at(uri: string, kid: string | undefined): Promise<readonly Jwk[]>
}

/** Milliseconds that keys are cached, and between two fetches. */
const kept = 600_000
const pause = 60_000

export function createStatementKeys({
  clock,
  fetch,
}: Pick<Platform, 'clock' | 'fetch'>): StatementKeys {
  /** Bounded by the issuers that operators have named. */
  const known = new Map<string, { keys: Promise<Jwk[]>; at: number }>()

  async function load(uri: string): Promise<Jwk[]> {
    const unavailable = (reason: string, cause?: unknown) =>
      new DomainError('issuer_keys_unavailable', { detail: { jwks_uri: uri, reason }, cause })
    try {
      const answer = await fetch(uri, { headers: { accept: 'application/json' } })
      if (answer.status !== 200) throw unavailable(`the host returned status ${answer.status}`)
      const { keys } = (await answer.json()) as { keys?: unknown }
      if (!Array.isArray(keys)) throw unavailable('the response is not a JWK Set (RFC 7517 §5)')
      return keys.filter((key): key is Jwk => typeof key === 'object' && key !== null)
    } catch (error) {
      if (error instanceof FetchError) throw unavailable(`${error.code}: ${error.message}`, error)
      if (error instanceof SyntaxError) throw unavailable('the response is not JSON', error)
      throw error
    }
  }

  function ask(uri: string): Promise<Jwk[]> {
    const keys = load(uri)
    known.set(uri, { keys, at: clock.now() })
    return keys
  }

  return {
    async at(uri, kid) {
      const found = known.get(uri)
      const age = found ? clock.now() - found.at : Number.POSITIVE_INFINITY
      if (!found || age > kept) return ask(uri)
      const keys = await found.keys.catch((error: unknown) => {
        if (age < pause) throw error
        return ask(uri)
      })
      const isMissing = kid !== undefined && !keys.some((key) => key['kid'] === kid)
      return isMissing && age >= pause ? ask(uri) : keys
    },
  }
}
