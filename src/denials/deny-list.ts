import type { Denial } from './denials.ts'

export interface DenyListEntry extends Denial {
  tenant: string
  /** Milliseconds since the epoch: tokens issued up to then are denied. */
  notBefore: number
  /** Milliseconds since the epoch: no token that it can meet lives longer. */
  expiresAt: number
}

/** The live denials of every tenant, in memory: what introspection asks instead of the database. */
export interface DenyList {
  put(entries: DenyListEntry[]): void
  /** @param issuedAt the token's `iat`, in seconds */
  denies(tenant: string, denials: Denial[], issuedAt: number): boolean
  /** Forgets what no living token can meet. @param now milliseconds since the epoch */
  expire(now: number): void
  /** How many there are. */
  size(): number
}

export function createDenyList(): DenyList {
  const entries = new Map<string, { notBefore: number; expiresAt: number }>()
  const keyOf = (tenant: string, { kind, subject }: Denial) => `${tenant} ${kind} ${subject}`

  return {
    put(fresh) {
      for (const entry of fresh) {
        const key = keyOf(entry.tenant, entry)
        const known = entries.get(key)
        // Each at its own latest: a second denial of what is denied for good must last as long as the first would.
        entries.set(key, {
          notBefore: Math.max(entry.notBefore, known?.notBefore ?? 0),
          expiresAt: Math.max(entry.expiresAt, known?.expiresAt ?? 0),
        })
      }
    },
    denies: (tenant, denials, issuedAt) =>
      denials.some((denial) => {
        const entry = entries.get(keyOf(tenant, denial))
        return entry !== undefined && entry.notBefore >= issuedAt * 1000
      }),
    expire(now) {
      for (const [key, { expiresAt }] of entries) if (expiresAt <= now) entries.delete(key)
    },
    size: () => entries.size,
  }
}
