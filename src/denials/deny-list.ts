import type { Denial, DenialKind } from './denials.ts'

export interface DenyListEntry {
  tenant: string
  kind: DenialKind
  subject: string
  /** Milliseconds since the epoch: tokens issued up to then are denied. */
  notBefore: number
  /** Milliseconds since the epoch: no token that it can meet lives longer. */
  expiresAt: number
  /**
   * Milliseconds since the epoch: when it was written, shortly before it was committed; when it came to this node, where
   * that was much later.
   */
  createdAt: number
  /** The resource servers whose tokens it can match; absent where these are not known. */
  audiences?: readonly string[] | undefined
}

/** Selects the entries that a copy of the list lacks. */
export interface Since {
  /** Written after then, in milliseconds since the epoch. */
  writtenAfter?: number
  /** Arrived after the entry with this number. */
  arrivedAfter?: number
}

/** The live denials of every tenant, in memory: what introspection asks instead of the database. */
export interface DenyList {
  /**
   * @param late new entries that were written before `before` are dated `cameAt`, so that copies made in between get
   *   them, too
   * @returns the tenants with new entries
   */
  put(entries: DenyListEntry[], late?: { before: number; cameAt: number }): Set<string>
  /** @param issuedAt the token's `iat`, in seconds */
  denies(tenant: string, denials: Denial[], issuedAt: number): boolean
  /** The entries that concern an audience, the newest first. */
  concerning(tenant: string, audience: string, since: Since): DenyListEntry[]
  /** The number of the entry that came last. */
  arrived(): number
  /** Drops expired entries. @param now milliseconds since the epoch */
  expire(now: number): void
  /** How many there are. */
  size(): number
}

interface Kept extends DenyListEntry {
  key: string
  arrival: number
}

/** @param overlap most milliseconds between writing an entry and its arrival */
export function createDenyList(overlap: number): DenyList {
  const entries = new Map<string, Kept>()
  /**
   * By tenant, in the order of arrival. A changed entry is appended again, which voids its earlier place (`isCurrent`).
   */
  const arrivals = new Map<string, Kept[]>()
  let arrival = 0
  const keyOf = (tenant: string, { kind, subject }: Pick<Denial, 'kind' | 'subject'>) =>
    `${tenant} ${kind} ${subject}`

  function keep(key: string, entry: DenyListEntry): void {
    const kept = { ...entry, key, arrival: ++arrival }
    entries.set(key, kept)
    const ofTenant = arrivals.get(entry.tenant)
    if (ofTenant) ofTenant.push(kept)
    else arrivals.set(entry.tenant, [kept])
  }

  const isCurrent = (entry: Kept) => entries.get(entry.key) === entry

  return {
    put(fresh, late) {
      const changed = new Set<string>()
      for (const entry of fresh) {
        const key = keyOf(entry.tenant, entry)
        const known = entries.get(key)
        const merged = known ? merge(known, entry) : entry
        if (known && isSame(known, merged)) continue
        const isLate = late !== undefined && merged.createdAt < late.before
        keep(key, isLate ? { ...merged, createdAt: late.cameAt } : merged)
        changed.add(entry.tenant)
      }
      return changed
    },
    denies: (tenant, denials, issuedAt) =>
      denials.some((denial) => {
        const entry = entries.get(keyOf(tenant, denial))
        return entry !== undefined && entry.notBefore >= issuedAt * 1000
      }),
    concerning(tenant, audience, { writtenAfter = 0, arrivedAfter = 0 }) {
      const found: DenyListEntry[] = []
      const ofTenant = arrivals.get(tenant) ?? []
      for (let at = ofTenant.length - 1; at >= 0; at--) {
        const entry = ofTenant[at] as Kept
        // No entry arrives later than this after it was written: all earlier arrivals are older still.
        if (entry.arrival <= arrivedAfter || entry.createdAt + overlap < writtenAfter) break
        const concerns = entry.audiences === undefined || entry.audiences.includes(audience)
        if (concerns && entry.createdAt > writtenAfter && isCurrent(entry)) found.push(entry)
      }
      return found
    },
    arrived: () => arrival,
    expire(now) {
      const touched = new Set<string>()
      for (const [key, { expiresAt, tenant }] of entries) {
        if (expiresAt > now) continue
        entries.delete(key)
        touched.add(tenant)
      }
      for (const tenant of touched) {
        const left = (arrivals.get(tenant) ?? []).filter(isCurrent)
        if (left.length > 0) arrivals.set(tenant, left)
        else arrivals.delete(tenant)
      }
    },
    size: () => entries.size,
  }
}

/** Takes the later of each time: a second denial must not shorten one that is for good. */
function merge(known: DenyListEntry, entry: DenyListEntry): DenyListEntry {
  const isKnown = known.audiences !== undefined && entry.audiences !== undefined
  return {
    ...entry,
    notBefore: Math.max(entry.notBefore, known.notBefore),
    expiresAt: Math.max(entry.expiresAt, known.expiresAt),
    createdAt: Math.max(entry.createdAt, known.createdAt),
    audiences: isKnown
      ? [...new Set([...(known.audiences ?? []), ...(entry.audiences ?? [])])]
      : undefined,
  }
}

function isSame(one: DenyListEntry, other: DenyListEntry): boolean {
  return (
    one.notBefore === other.notBefore &&
    one.expiresAt === other.expiresAt &&
    one.createdAt === other.createdAt &&
    one.audiences?.length === other.audiences?.length
  )
}
