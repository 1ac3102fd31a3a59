import type Provider from 'oidc-provider'
import { publicKeyFault } from '../clients/client-jose.ts'
import type { Clock } from '../clock.ts'

/** Milliseconds. */
const shortestFresh = 60_000
const longestFresh = 3_600_000
/** How long keys count after the address named them last, and between two questions that failed. */
const longestStale = 3_600_000
const pause = 10_000

/** Keys that a signature which names none is tried with: each costs, and whoever signs wrongly pays nothing. */
const mostTried = 20

type Jwk = Record<string, unknown>

/** The keys of one client, as the engine has them. */
interface KeyStore extends Iterable<Jwk> {
  readonly jwksUri?: string | undefined
  /** What the engine makes of the answer, in seconds since the epoch. */
  freshUntil?: number
  fresh(): boolean
  refresh(): Promise<void>
  add(key: Jwk): void
  clear(): void
  selectForVerify(options: { alg?: unknown; kid?: unknown }): Jwk[]
}

/** Milliseconds since the epoch. */
interface Asked {
  at: number
  freshUntil: number
  /** When the address named the keys that are known. */
  namedAt?: number | undefined
}

/**
 * Has keys that a client publishes at an address (`jwks_uri`) count for as long as they are there. The engine by itself
 * asks again only when a signature fits none that it knows: a key that was stolen and withdrawn would count for ever.
 *
 * | the keys that are known            | what comes of it                                                          |
 * |------------------------------------|---------------------------------------------------------------------------|
 * | fresh: a minute to an hour, as told | they count                                                                |
 * | fresh, without the `kid` that is named | asked for first, where that was a minute ago                          |
 * | not fresh                          | asked for first                                                           |
 * | not fresh, and nobody answers      | they count for an hour after they were named; asked for again in 10 s     |
 */
export function followClientKeys(provider: Provider, clock: Clock): void {
  const store = keyStoreOf(provider)
  const { selectForVerify, refresh, add } = store
  const asked = new WeakMap<KeyStore, Asked>()

  store.fresh = function () {
    return this.jwksUri === undefined || (asked.get(this)?.freshUntil ?? 0) > clock.now()
  }

  store.add = function (key) {
    if (!publicKeyFault(key)) add.call(this, key)
  }

  // Without one the engine asks, unless they are fresh, and looks again.
  store.selectForVerify = function (options) {
    if (!this.fresh()) return []
    const found = selectForVerify.call(this, options).slice(0, mostTried)
    const last = asked.get(this)
    if (found.length === 0 && options.kid !== undefined && last) {
      if (clock.now() - last.at >= shortestFresh) last.freshUntil = 0
    }
    return found
  }

  store.refresh = async function () {
    if (this.fresh()) return
    const known = [...this]
    const namedAt = asked.get(this)?.namedAt
    try {
      await refresh.call(this)
      const now = clock.now()
      const told = (this.freshUntil ?? 0) * 1000
      const freshUntil = Math.min(Math.max(told, now + shortestFresh), now + longestFresh)
      asked.set(this, { at: now, freshUntil, namedAt: now })
    } catch (error) {
      const now = clock.now()
      if (namedAt === undefined || now - namedAt >= longestStale) throw error
      this.clear()
      for (const key of known) this.add(key)
      asked.set(this, { at: now, freshUntil: now + pause, namedAt })
    }
  }
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
