import { type Clock, tolerableSkew } from './clock.ts'
import type { Log } from './log.ts'

/** Logs when the clocks of this machine and of Postgres differ by more than `tolerableSkew`. */
export interface ClockWatch {
  /** Called after each comparison of the clocks. */
  look(): void
}

/** Logs once when the clocks differ too much, and once when they agree again. */
export function createClockWatch({ clock, log }: { clock: Clock; log: Log }): ClockWatch {
  let wasApart = false
  return {
    look() {
      const { offset } = clock
      const isApart = Math.abs(offset) > tolerableSkew
      if (isApart && !wasApart) {
        log.error(
          { offset, expected: `at most ${tolerableSkew} ms` },
          'the clocks of this machine and Postgres differ: the node is not ready until NTP has corrected them',
        )
      }
      if (!isApart && wasApart) {
        log.info({ offset }, 'the clocks of this machine and Postgres agree again')
      }
      wasApart = isApart
    },
  }
}
