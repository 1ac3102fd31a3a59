import { type CryptoKey, importJWK, type JWK } from 'jose'
import { monotonic } from './clock.ts'
import { invalidToken, Unavailable } from './faults.ts'
import type { IssuerMetadata } from './metadata.ts'
import { jsonIn, type Requests } from './requests.ts'

export interface KeySetOptions {
  /**
   * When keys could not be fetched for `maxAge`: `refuse` all tokens, or `accept` those that the last known keys
   * verify, which keeps trusting keys that were removed meanwhile. There is no default.
   */
  whenUnreachable: 'refuse' | 'accept'
  /** Seconds that fetched keys may be used; a removed key is refused after that at the latest. 300 by default. */
  maxAge?: number
  /** Seconds between two fetches for unknown `kid`s; 30 by default. */
  cooldown?: number
  /** Milliseconds. 5000 by default. */
  timeout?: number
}

/** The issuer's public keys. */
export interface KeySet {
  /**
   * @throws TokenRefused when the issuer has no such key
   * @throws Unavailable when the issuer's keys cannot be fetched
   */
  find(kid: unknown, alg: string): Promise<CryptoKey>
  /** Fetches the keys unless they are cached. @throws Unavailable */
  load(): Promise<void>
  status(): { kids: string[]; ageSeconds: number }
}

/** Most bytes of a key set; a key takes less than one kilobyte. */
const largest = 256 * 1024
/** Milliseconds without another fetch after a failed one. */
const rest = 500
/** `kty` by the first two characters of `alg`. */
const typeOf: Record<string, string> = { ES: 'EC', PS: 'RSA', RS: 'RSA', Ed: 'OKP' }

export function createKeySet(
  { whenUnreachable, maxAge = 300, cooldown = 30, timeout = 5000 }: KeySetOptions,
  metadata: () => Promise<IssuerMetadata>,
  requests: Requests,
): KeySet {
  let keys: JWK[] = []
  let imported = new Map<string, Promise<CryptoKey>>()
  let fetchedAt = -Infinity
  let failedAt = -Infinity
  let fetching: Promise<void> | undefined

  const age = () => (monotonic() - fetchedAt) / 1000

  async function fetchThem(): Promise<void> {
    const startedAt = monotonic()
    try {
      const { jwks_uri: address } = await metadata()
      const answer = await requests.ask(address, {}, { timeout, largest })
      const { keys: found } = jsonIn(answer, address)
      if (!Array.isArray(found)) throw new Error(`${address}: expected keys`)
      keys = found as JWK[]
      imported = new Map()
      fetchedAt = startedAt
    } catch (error) {
      failedAt = monotonic()
      if (error instanceof Unavailable) throw error
      throw new Unavailable(
        'keys',
        `the key set could not be fetched: ${(error as Error).message}`,
        error,
      )
    }
  }

  /** One fetch at a time; just after a failure it fails at once. */
  function refresh(): Promise<void> {
    if (!fetching && monotonic() - failedAt < rest) {
      return Promise.reject(
        new Unavailable('keys', 'the key set could not be fetched a moment ago'),
      )
    }
    fetching ??= fetchThem().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  async function fresh(): Promise<void> {
    if (age() <= maxAge) {
      // Refreshed early and in the background, so that no request waits for it.
      if (age() > maxAge * 0.8) refresh().catch(() => undefined)
      return
    }
    try {
      await refresh()
    } catch (error) {
      if (fetchedAt === -Infinity || whenUnreachable === 'refuse') throw error
    }
  }

  function pick(kid: string, alg: string): Promise<CryptoKey> | undefined {
    const key = keys.find(
      (each) =>
        each.kid === kid &&
        each.kty === typeOf[alg.slice(0, 2)] &&
        (each.alg === undefined || each.alg === alg) &&
        (each.use === undefined || each.use === 'sig'),
    )
    if (!key) return undefined
    const name = `${alg} ${kid}`
    const known = imported.get(name) ?? (importJWK(key, alg) as Promise<CryptoKey>)
    imported.set(name, known)
    return known
  }

  return {
    async find(kid, alg) {
      if (typeof kid !== 'string' || kid.length > 200) throw invalidToken('key', 'expected a kid')
      await fresh()
      const found = pick(kid, alg)
      if (found) return found
      // It may be a new key, or a made-up `kid`: those must not make this API fetch again and again.
      if (age() > cooldown || fetching) {
        await refresh()
        const now = pick(kid, alg)
        if (now) return now
      }
      throw invalidToken('key', 'the issuer has no such key')
    },
    load: fresh,
    status: () => ({ kids: keys.flatMap(({ kid }) => kid ?? []), ageSeconds: age() }),
  }
}
