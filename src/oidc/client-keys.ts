import type Provider from 'oidc-provider'
import { publicKeyFault } from '../clients/client-jose.ts'
import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import { createAskedOnce } from './asked-once.ts'
import { createKnownKeys, type Jwk, type Known } from './known-keys.ts'

/** Milliseconds. */
const shortestFresh = 60_000
const longestFresh = 3_600_000
/** How long keys count when they are not fresh and nobody answers, and the time between two such questions. */
const longestStale = 3_600_000
const pause = { good: 10_000, none: 5000 }

/**
 * Keys that a signature which names none is tried with: each costs, and whoever signs wrongly pays nothing and is not
 * limited (client-guessing.ts). Who has several is to name one (OpenID Connect Core §10.1).
 */
const mostTried = 5

/** The keys of one client, as the engine has them: in an object that it forgets, and makes anew for other metadata. */
interface KeyStore extends Iterable<Jwk> {
  readonly client: { clientId: string }
  readonly jwksUri?: string | undefined
  /** What the engine makes of the answer, in seconds since the epoch by the clock of the process. */
  freshUntil?: number
  fresh(): boolean
  refresh(): Promise<void>
  add(key: Jwk): void
  clear(): void
  selectForVerify(options: { alg?: unknown; kid?: unknown }): Jwk[]
}

/**
 * Has keys that a client publishes at an address (`jwks_uri`) count for as long as they are there. The engine by itself
 * asks again only when a signature fits none that it knows: a key that was stolen and withdrawn would count for ever.
 *
 * | the keys that are known                 | what comes of it                                                   |
 * |-----------------------------------------|--------------------------------------------------------------------|
 * | fresh: a minute to an hour, as told     | they count                                                         |
 * | fresh, without the `kid` that is named  | asked for first, where that was a minute ago                       |
 * | not fresh                               | asked for first                                                    |
 * | the same, and another request asks      | they count; who signs with none of them waits for the answer, too  |
 * | the same, and no more may wait          | they count as if they were fresh                                   |
 * | not fresh, and nobody answers           | they count for an hour; asked for again in 10 s                    |
 * | none, or not fresh for longer           | asked for; others of the client wait, few (asked-once.ts), or 429  |
 * | the same, and nobody answers            | 503, which is nobody's guess; asked for again in 5 s               |
 *
 * An answer is a JWK Set with status 200, be it empty. Any other (404, too) is none: hosts give it while they are mended.
 */
export function followClientKeys(provider: Provider, clock: Clock): void {
  const store = keyStoreOf(provider)
  const { selectForVerify, refresh, add } = store
  const known = createKnownKeys()
  const { isAsked, hasRoom, ask } = createAskedOnce()
  /** Which of those that are known an object of the engine has. */
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

  /** Whether another request asks, and those that are known count meanwhile. */
  const countMeanwhile = (keys: KeyStore) =>
    isAsked(nameOf(keys)) && (knownOf(keys)?.goodUntil ?? 0) > clock.now()

  store.fresh = function () {
    if (this.jwksUri === undefined || (knownOf(this)?.freshUntil ?? 0) > clock.now()) return true
    return countMeanwhile(this) && !hasRoom(nameOf(this))
  }

  store.add = function (key) {
    if (!publicKeyFault(key)) add.call(this, key)
  }

  // Without one the engine asks, unless they are fresh, and looks again.
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
      // The engine knows no clock but that of the process.
      const told = now + (keys.freshUntil ?? 0) * 1000 - Date.now()
      const freshUntil = Math.min(Math.max(told, now + shortestFresh), now + longestFresh)
      const goodUntil = freshUntil + longestStale
      put({ keys: [...keys], at: now, freshUntil, goodUntil, downUntil: 0 })
    } catch (error) {
      const now = clock.now()
      // It may have taken away some before it failed.
      held.delete(keys)
      if (last && last.goodUntil > now) {
        put({ ...last, at: now, freshUntil: now + pause.good })
        return
      }
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
      const why = cause instanceof Error ? cause.message : 'there was no answer'
      put({ keys: [], at: now, freshUntil: 0, goodUntil: 0, downUntil: now + pause.none, why })
      throw unavailable(keys, pause.none, why, cause)
    }
  }

  store.refresh = async function () {
    if (this.fresh()) return
    const { downUntil = 0, why } = knownOf(this) ?? {}
    const left = downUntil - clock.now()
    if (left > 0) throw unavailable(this, left, `a moment ago: ${why}`)
    await ask(nameOf(this), () => question(this))
  }
}

/** A client that is declared anew, with the same address, has the same keys. */
const nameOf = ({ client, jwksUri }: KeyStore) => JSON.stringify([client.clientId, jwksUri])

/** @param left milliseconds until it is asked again */
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

/** What all clients have their keys in; the engine shows it with a client alone. */
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
