/** A public key (RFC 7517 §4), as a client publishes it. */
export type Jwk = Record<string, unknown>

/** What is known of the keys that one client has at one address. Milliseconds since the epoch. */
export interface Known {
  readonly keys: readonly Jwk[]
  /** When they were asked for last. */
  at: number
  freshUntil: number
  /** Until then they count when they are not fresh and nobody answers. */
  goodUntil: number
  /** Until then nobody is asked again: there was no answer, and no keys that are good. */
  downUntil: number
  /** Why there was none. */
  why?: string
}

/** The keys of clients in the memory of this process; those that were used last stay. */
export interface KnownKeys {
  get(name: string): Known | undefined
  put(name: string, known: Known): void
}

/** How much of them is kept: clients, and characters of their keys. A client may publish many, and name them at length. */
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
