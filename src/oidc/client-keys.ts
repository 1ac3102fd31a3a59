import type Provider from 'oidc-provider'
import { publicKeyFault } from '../clients/client-jose.ts'
import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import { createAskedOnce } from './asked-once.ts'
import { createKnownKeys, type Jwk, type Known } from './known-keys.ts'

/** Milliseconds. */
const shortestFresh = 60_000
const longestFresh = 3_600_000
/** Milliseconds that stale keys may still be used while the address does not answer, and before it is asked again. */
const longestStale = 3_600_000
const pause = { good: 10_000, none: 5000 }

/**
 * Most keys that are tried for a signature without `kid`. Each try costs, and a wrong signature is not limited
 * (client-guessing.ts). A client with several keys must name one (OpenID Connect Core §10.1).
 */
const mostTried = 5

/** The engine's key store of one client; the engine makes a new one when the metadata changes. */
interface KeyStore extends Iterable<Jwk> {
  readonly client: { clientId: string }
  readonly jwksUri?: string | undefined
  /** The expiry that the engine takes from the answer, in seconds since the epoch by the clock of the process. */
  freshUntil?: number
  fresh(): boolean
  refresh(): Promise<void>
  add(key: Jwk): void
  clear(): void
  selectForVerify(options: { alg?: unknown; kid?: unknown }): Jwk[]
}

/**
 * Uses the keys that a client publishes at `jwks_uri` only for as long as they are published. The engine by itself
 * fetches them again only when a signature matches none that it knows: a stolen key would stay valid after its
 * withdrawal.
 *
 * | the known keys                          | action                                                               |
 * |-----------------------------------------|----------------------------------------------------------------------|
 * | fresh: a minute to an hour, per headers | used                                                                 |
 * | fresh, without the requested `kid`      | fetched first, if the last fetch was a minute ago                    |
 * | stale                                   | fetched first                                                        |
 * | stale, another request fetches          | used; a signature by none of them waits for the answer, too          |
 * | stale, and no more may wait             | used as if they were fresh                                           |
 * | stale, and the address does not answer  | used for an hour; fetched again in 10 s                              |
 * | none, or stale for longer               | fetched; few others of the client wait (asked-once.ts), or 429       |
 * | the same, and no answer                 | 503, which is not counted as a guess; fetched again in 5 s           |
 *
 * An answer is a JWK Set with status 200, even an empty one. Any other (404, too) counts as none: hosts send it during
 * repairs.
 */
export function followClientKeys(provider: Provider, clock: Clock): void {
  const store = keyStoreOf(provider)
  const { selectForVerify, refresh, add } = store
  const known = createKnownKeys()
  const { isAsked, hasRoom, ask } = createAskedOnce()
  /** Which version of the known keys a key store of the engine holds. */
  const held = new WeakMap<KeyStore, readonly Jwk[]>()

  function knownOf(keys: KeyStore): Known | undefined {
    const found = known.get(nameOf(keys))
    if (found && held.get(keys) !== found.keys) {
      keys.clear()
      for (const key of found.keys) add.call(keys, key)
      held.set(keys, found.keys)
    }
    return found
  }

  /** Whether another request fetches the keys, and the known ones may be used until then. */
  const countMeanwhile = (keys: KeyStore) =>
    isAsked(nameOf(keys)) && (knownOf(keys)?.goodUntil ?? 0) > clock.now()

  store.fresh = function () {
    if (this.jwksUri === undefined || (knownOf(this)?.freshUntil ?? 0) > clock.now()) return true
    return countMeanwhile(this) && !hasRoom(nameOf(this))
  }

  store.add = function (key) {
    if (!publicKeyFault(key)) add.call(this, key)
  }

  // Without a key the engine fetches, unless the keys are fresh, and looks again.
  store.selectForVerify = function (options) {
    if (!this.fresh() && !countMeanwhile(this)) return []
    const found = selectForVerify.call(this, options).slice(0, mostTried)
    if (found.length > 0 || options.kid === undefined || this.jwksUri === undefined) return found
    const last = knownOf(this)
    if (last && clock.now() - last.at >= shortestFresh) last.freshUntil = 0
    return found
  }

  async function question(keys: KeyStore): Promise<void> {
    const last = knownOf(keys)
    const put = (next: Known) => known.put(nameOf(keys), next)
    try {
      await refresh.call(keys)
      const now = clock.now()
      // The engine computes by the clock of the process; converted to the server's clock.
      const told = now + (keys.freshUntil ?? 0) * 1000 - Date.now()
      const freshUntil = Math.min(Math.max(told, now + shortestFresh), now + longestFresh)
      const goodUntil = freshUntil + longestStale
      put({ keys: [...keys], at: now, freshUntil, goodUntil, downUntil: 0 })
    } catch (error) {
      const now = clock.now()
      // The engine may have removed keys before it failed.
      held.delete(keys)
      if (last && last.goodUntil > now) {
        put({ ...last, at: now, freshUntil: now + pause.good })
        return
      }
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
      const why = cause instanceof Error ? cause.message : 'there was no response'
      put({ keys: [], at: now, freshUntil: 0, goodUntil: 0, downUntil: now + pause.none, why })
      throw unavailable(keys, pause.none, why, cause)
    }
  }

  store.refresh = async function () {
    if (this.fresh()) return
    const { downUntil = 0, why } = knownOf(this) ?? {}
    const left = downUntil - clock.now()
    if (left > 0) throw unavailable(this, left, `the last attempt, a moment ago, failed: ${why}`)
    await ask(nameOf(this), () => question(this))
  }
}

/** By id and address: a client that is declared anew with the same address has the same keys. */
const nameOf = ({ client, jwksUri }: KeyStore) => JSON.stringify([client.clientId, jwksUri])

/** @param left milliseconds until the next attempt */
function unavailable(
  { client, jwksUri }: KeyStore,
  left: number,
  reason: string,
  cause?: unknown,
): DomainError {
  const detail = { client_id: client.clientId, jwks_uri: jwksUri, reason }
  const retryAfter = Math.ceil(left / 1000)
  return new DomainError('client_keys_unavailable', { detail, cause, retryAfter })
}

/** The prototype of all key stores; the engine exposes it only through a client. */
function keyStoreOf({ Client }: Provider): KeyStore {
  const metadata = {
    client_id: 'nobody',
    token_endpoint_auth_method: 'none',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
  }
  const nobody: { asymmetricKeyStore: KeyStore } = Reflect.construct(Client, [metadata])
  return Object.getPrototypeOf(nobody.asymmetricKeyStore) as KeyStore
}
