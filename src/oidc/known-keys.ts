/** A public key (RFC 7517 §4), as a client publishes it. */
export type Jwk = Record<string, unknown>

/** The known keys of one client at one address. Times in milliseconds since the epoch. */
export interface Known {
  readonly keys: readonly Jwk[]
  /** When they were last fetched, successfully or not. */
  at: number
  freshUntil: number
  /** Until then stale keys may be used while the address does not answer. */
  goodUntil: number
  /** Until then the address is not asked again: it did not answer, and there are no usable keys. */
  downUntil: number
  /** Why it did not answer. */
  why?: string
}

/** The keys of clients in the memory of this process; the least recently used are dropped first. */
export interface KnownKeys {
  get(name: string): Known | undefined
  put(name: string, known: Known): void
}

/** Bounds: clients, and characters of their keys, as a client may publish many keys or long ones. */
const most = { clients: 5000, characters: 16_000_000 }

export function createKnownKeys(): KnownKeys {
  const all = new Map<string, { known: Known; size: number }>()
  let characters = 0

  function remove(name: string): void {
    characters -= all.get(name)?.size ?? 0
    all.delete(name)
  }

  return {
    get(name) {
      const found = all.get(name)
      if (!found) return undefined
      all.delete(name)
      all.set(name, found)
      return found.known
    },
    put(name, known) {
      remove(name)
      const size = JSON.stringify(known.keys).length
      all.set(name, { known, size })
      characters += size
      for (const oldest of all.keys()) {
        if (all.size <= most.clients && characters <= most.characters) break
        remove(oldest)
      }
    },
  }
}
