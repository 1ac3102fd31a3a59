import type Provider from 'oidc-provider'
import { publicKeyFault } from '../clients/client-jose.ts'
import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'

/** Milliseconds. */
const shortestFresh = 60_000
const longestFresh = 3_600_000
/** How long keys count when they are not fresh and nobody answers, and the time between two such questions. */
const longestStale = 3_600_000
const pause = 10_000

/** Keys that a signature which names none is tried with: each costs, and whoever signs wrongly pays nothing. */
const mostTried = 20

/** Requests that wait at a time for keys of which none is known: of one client, and of all of an issuer. */
const mostWaiting = { client: 32, all: 64 }

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
  /** Those that are known count, fresh or not. */
  goodUntil: number
}

/**
 * Has keys that a client publishes at an address (`jwks_uri`) count for as long as they are there. The engine by itself
 * asks again only when a signature fits none that it knows: a key that was stolen and withdrawn would count for ever.
 *
 * | the keys that are known                | what comes of it                                                    |
 * |----------------------------------------|---------------------------------------------------------------------|
 * | fresh: a minute to an hour, as told    | they count                                                          |
 * | fresh, without the `kid` that is named | asked for first, where that was a minute ago                        |
 * | not fresh                              | asked for first; they count for who comes meanwhile                 |
 * | not fresh, and nobody answers          | they count for an hour; asked for again in 10 s                     |
 * | none, or not fresh for longer          | asked for; no more than a few wait: a slow address is a stranger's  |
 */
export function followClientKeys(provider: Provider, clock: Clock): void {
  const store = keyStoreOf(provider)
  const { selectForVerify, refresh, add } = store
  const asked = new WeakMap<KeyStore, Asked>()
  const asking = new WeakSet<KeyStore>()
  const waiting = new Map<KeyStore, number>()

  store.fresh = function () {
    return this.jwksUri === undefined || (asked.get(this)?.freshUntil ?? 0) > clock.now()
  }

  /** Whether another request asks, and those that are known count meanwhile. */
  const isAsked = (keys: KeyStore) =>
    asking.has(keys) && (asked.get(keys)?.goodUntil ?? 0) > clock.now()

  store.add = function (key) {
    if (!publicKeyFault(key)) add.call(this, key)
  }

  // Without one the engine asks, unless they are fresh, and looks again.
  store.selectForVerify = function (options) {
    if (!this.fresh() && !isAsked(this)) return []
    const found = selectForVerify.call(this, options).slice(0, mostTried)
    const last = asked.get(this)
    if (found.length === 0 && options.kid !== undefined && last) {
      if (clock.now() - last.at >= shortestFresh) last.freshUntil = 0
    }
    return found
  }

  async function ask(keys: KeyStore): Promise<void> {
    const known = [...keys]
    const { goodUntil = 0 } = asked.get(keys) ?? {}
    try {
      const answer = refresh.call(keys)
      asking.add(keys)
      await answer
      const now = clock.now()
      const told = (keys.freshUntil ?? 0) * 1000
      const freshUntil = Math.min(Math.max(told, now + shortestFresh), now + longestFresh)
      asked.set(keys, { at: now, freshUntil, goodUntil: freshUntil + longestStale })
    } catch (error) {
      const now = clock.now()
      if (now >= goodUntil) throw error
      keys.clear()
      for (const key of known) keys.add(key)
      asked.set(keys, { at: now, freshUntil: now + pause, goodUntil })
    } finally {
      asking.delete(keys)
    }
  }

  store.refresh = async function () {
    if (this.fresh()) return
    const own = waiting.get(this) ?? 0
    const all = [...waiting.values()].reduce((sum, each) => sum + each, 0)
    if (own >= mostWaiting.client || all >= mostWaiting.all) {
      const expected = `at most ${mostWaiting.client} requests of a client that wait for its keys, ${mostWaiting.all} of all`
      throw new DomainError('too_many_requests', { retryAfter: 1, detail: { expected } })
    }
    waiting.set(this, own + 1)
    try {
      await ask(this)
    } finally {
      const left = (waiting.get(this) ?? 1) - 1
      if (left > 0) waiting.set(this, left)
      else waiting.delete(this)
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
