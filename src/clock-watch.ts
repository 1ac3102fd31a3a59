import { type Clock, tolerableSkew } from './clock.ts'
import type { Log } from './log.ts'

/** Tells when this process is off by more than a clock may be. */
export interface ClockWatch {
  /** After the clocks were compared. */
  look(): void
}

/** Tells once when the clocks of this machine and of Postgres are too far apart, and once when they are not any more. */
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
