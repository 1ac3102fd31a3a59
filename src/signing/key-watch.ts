import type { Platform } from '../platform.ts'
import { type Schedule, successorDueAt } from './schedule.ts'

/** Deviations from the schedule that an operator must look after. */
export interface KeyAlarms {
  /** Keys whose successor is not published in time. */
  late: number
  /** The number of those that have signed for longer than scheduled. */
  overdue: number
}

/** Milliseconds that the nodes may take to make a successor that is due. */
const slack = 60_000

interface WithoutEnd {
  tenant: string
  alg: string
  activateAt: number
}

/** Logs each key once when its alarm begins, and once when it is over. */
export function createKeyWatch({
  schedule,
  log,
  counters,
}: Pick<Platform, 'log' | 'counters'> & {
  schedule: Schedule
}) {
  let known = new Map<string, WithoutEnd & { overdue: boolean }>()

  return {
    /** @param keys active keys without a successor */
    look(keys: WithoutEnd[], now: number): void {
      const before = known
      known = new Map()
      for (const key of keys) {
        if (successorDueAt(key, schedule) + slack >= now) continue
        const name = `${key.tenant} ${key.alg} ${key.activateAt}`
        const overdue = key.activateAt + schedule.rotateEvery + slack < now
        known.set(name, { ...key, overdue })
        const { tenant, alg } = key
        if (!before.has(name)) {
          counters.count('signing_key_late')
          log.error({ tenant, alg }, 'the next signing key was not published in time')
        }
        if (overdue && !before.get(name)?.overdue) {
          counters.count('signing_key_overdue')
          log.error({ tenant, alg }, 'the signing key is past its scheduled rotation')
        }
      }
      for (const [name, { tenant, alg }] of before) {
        if (!known.has(name)) log.info({ tenant, alg }, 'the next signing key is published')
      }
    },
    alarms(): KeyAlarms {
      const all = [...known.values()]
      return { late: all.length, overdue: all.filter(({ overdue }) => overdue).length }
    },
  }
}
