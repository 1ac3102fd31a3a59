import type { Core } from './core.ts'
import { sweepExpired } from './retention.ts'
import type { Round } from './rounds.ts'
import { followDatabaseClock } from './storage/storage.ts'

/**
 * The background work of a process.
 * @param hooks.checkFiles checks TLS files that may have been renewed
 * @param hooks.tellCounts logs what has been counted since the last time
 */
export function roundsOf(
  core: Core,
  hooks: { checkFiles(): Promise<void>; tellCounts(): Promise<void> },
): Round[] {
  return [
    {
      seconds: 60,
      what: 'sweep',
      once: true,
      async work() {
        core.metrics.count('keyturn_swept_rows_total', {}, await sweepExpired(core))
      },
    },
    { seconds: 1, what: 'audit chain', once: true, work: () => core.audit.sealEvents() },
    { seconds: 5, what: 'signing keys', once: true, work: () => core.signing.rotateDue() },
    { seconds: 5, what: 'late signing keys', work: core.signing.look },
    { seconds: 5, what: 'key-encryption key', work: () => core.keyRotation.check() },
    {
      seconds: 60,
      what: 'clock',
      async work() {
        await followDatabaseClock(core.database, core.clock)
        core.clockWatch.look()
      },
    },
    // Less than half of the gap that does not count as an outage (`unnoticed`, families/served-time.ts).
    { seconds: 2, what: 'served time', work: core.servedTime.note },
    { seconds: 30, what: 'unusual refreshes', once: true, work: core.familyWatch.look },
    { seconds: 60, what: 'counts', work: hooks.tellCounts },
    { seconds: 1, what: 'refusals', work: () => core.refusals.flush() },
    { seconds: 2, what: 'files', work: hooks.checkFiles },
    { seconds: 2, what: 'countries', work: core.countries.check },
    {
      seconds: 3600,
      what: 'maintenance',
      once: true,
      async work() {
        for (const statement of core.storage.maintenance) await core.database.query(statement)
      },
    },
  ]
}
