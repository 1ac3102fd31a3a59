import type { Clock } from '../clock.ts'
import { inTime } from '../in-time.ts'

export interface Probed {
  database: { queryPrimary(sql: string): Promise<unknown> }
  shortLived: { ping(): Promise<void> }
  signing: { token?: { ping(): Promise<void> } }
  clock: Pick<Clock, 'now'>
}

/** Whether each answered in time. */
export interface Probes {
  /** Where it takes no writes (a standby, a primary that was fenced off) nobody can be served. */
  storage(): Promise<boolean>
  shortLived(): Promise<boolean>
  /** True without one. */
  token(): Promise<boolean>
}

/** Milliseconds after which a probe that hangs is a failure. */
const patience = 1500
/** Milliseconds that a result is reused for. */
const keptFor = 100

/**
 * Probes what a process needs. Anybody may ask, as often as they like, outside of every rate limit: so concurrent requests,
 * of all tenants, share one probe, and shared services see ten a second at most.
 */
export function createProbes({ database, shortLived, signing, clock }: Probed): Probes {
  const { token } = signing
  return {
    storage: together(() => answers(database.queryPrimary('select 1')), clock, keptFor),
    shortLived: together(() => answers(shortLived.ping()), clock, keptFor),
    token: together(async () => !token || answers(token.ping()), clock, 0),
  }
}

/** Whoever asks while it is looked at, or so many milliseconds later, gets that answer. */
function together(
  ask: () => Promise<boolean>,
  clock: Probed['clock'],
  kept: number,
): () => Promise<boolean> {
  let asking: Promise<boolean> | undefined
  let told: { answer: boolean; at: number } | undefined

  async function askNow(): Promise<boolean> {
    try {
      const answer = await ask()
      told = { answer, at: clock.now() }
      return answer
    } finally {
      asking = undefined
    }
  }

  return async () => {
    // A clock that was set back must not keep an answer.
    if (told && Math.abs(clock.now() - told.at) < kept) return told.answer
    asking ??= askNow()
    return asking
  }
}

const answers = (asked: Promise<unknown>): Promise<boolean> =>
  inTime(asked, patience).then(
    () => true,
    () => false,
  )
