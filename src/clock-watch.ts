import { type Clock, tolerableSkew } from './clock.ts'
import type { Log } from './log.ts'

/** Tells once when the clocks of this machine and of Postgres are too far apart, and once when they are not any more. */
export function createClockWatch({ clock, log }: { clock: Clock; log: Log }) {
  let wasApart = false
  return {
    /** After they were compared. */
    look(): void {
      const { offset } = clock
      const isApart = Math.abs(offset) > tolerableSkew
      if (isApart && !wasApart) {
        log.error(
          { offset, expected: `at most ${tolerableSkew} ms` },
          'the clocks of this machine and of Postgres are apart: the node is not ready until NTP has set the one that is wrong',
        )
      }
      if (!isApart && wasApart) {
        log.info({ offset }, 'the clocks of this machine and of Postgres agree again')
      }
      wasApart = isApart
    },
  }
}
