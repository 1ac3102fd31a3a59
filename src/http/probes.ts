import type { Clock } from '../clock.ts'
import { inTime } from '../in-time.ts'

export interface Probed {
  database: { queryPrimary(sql: string): Promise<unknown> }
  shortLived: { ping(): Promise<void> }
  signing: { token?: { ping(): Promise<void> } }
  clock: Pick<Clock, 'now'>
}

/** Whether each dependency answers in time. */
export interface Probes {
  /**
   * False also where Postgres takes no writes (a standby, a primary that was fenced off): nobody can be served there.
   */
  storage(): Promise<boolean>
  shortLived(): Promise<boolean>
  /** The PKCS#11 token; true without one. */
  token(): Promise<boolean>
}

/** Milliseconds after which a probe that hangs is a failure. */
const patience = 1500
/** Milliseconds that a result is reused for. */
const keptFor = 100

/**
 * Probes the dependencies of this process. Anyone may ask, as often as they like, without a rate limit. So concurrent
 * requests of all tenants share one probe, and shared services get at most ten a second.
 */
export function createProbes({ database, shortLived, signing, clock }: Probed): Probes {
  const { token } = signing
  return {
    storage: together(() => answers(database.queryPrimary('select 1')), clock, keptFor),
    shortLived: together(() => answers(shortLived.ping()), clock, keptFor),
    token: together(async () => !token || answers(token.ping()), clock, 0),
  }
}

/** Shares one probe among all calls that arrive during it or up to `kept` milliseconds later. */
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
    // A clock that was set back must not prolong an answer.
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
