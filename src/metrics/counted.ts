import { type Counters, type CountName, countMeanings } from '../counters.ts'
import type { LogFigures } from '../log-repeats.ts'
import type { Counted } from './registry.ts'

/** Counters with their own metric; all others are exported as events. */
const placed: Partial<Record<CountName, Counted>> = {
  family_rotated: ['keyturn_refreshes_total', { verdict: 'rotated' }, 0],
  family_replayed: ['keyturn_refreshes_total', { verdict: 'replayed' }, 0],
  family_reuse_race: ['keyturn_refreshes_total', { verdict: 'reuse_race' }, 0],
  family_reuse_attack: ['keyturn_refreshes_total', { verdict: 'reuse_attack' }, 0],
  hash_shed: ['keyturn_hash_queue_refused_total', {}, 0],
}

/** Log levels, so that each series exists before the first line (pino). */
const levels = { trace: 0, debug: 0, info: 0, warn: 0, error: 0, fatal: 0 }

/** Counters kept elsewhere (counters.ts, log.ts), as metrics: nothing is counted twice. */
export function countedBy(counters: Counters, said: LogFigures): Counted[] {
  const counts = counters.read()
  const events = (Object.keys(countMeanings) as CountName[]).map((event): Counted => {
    const [name, labels] = placed[event] ?? ['keyturn_events_total', { event }]
    return [name, labels, counts[event]]
  })
  const lines = Object.entries({ ...levels, ...said.lines }).map(
    ([level, count]): Counted => ['keyturn_log_lines_total', { level }, count],
  )
  return [
    ...events,
    ...lines,
    ['keyturn_log_lines_withheld_total', {}, said.withheld],
    ['keyturn_log_lines_lost_total', {}, said.lost],
  ]
}
