import type { Config } from '../config/config.ts'
import type { Clock } from './clock.ts'
import type { Counters } from './counters.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { OutgoingFetch } from './outgoing/fetch.ts'
import type { Sealer } from './secrets/seal.ts'
import type { Database } from './storage/database.ts'

/** What capabilities are built on; each declares the parts that it needs. */
export interface Platform {
  config: Config
  log: Log
  clock: Clock
  counters: Counters
  metrics: Metrics
  database: Database
  sealer: Sealer
  /** Every request that leaves the server. */
  fetch: OutgoingFetch
}
