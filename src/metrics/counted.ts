import { type Counters, type CountName, countMeanings } from '../counters.ts'
import type { Counted } from './registry.ts'

/** Counts that have a metric of their own; all others are events. */
const placed: Partial<Record<CountName, Counted>> = {
  family_rotated: ['keyturn_refreshes_total', { verdict: 'rotated' }, 0],
  family_replayed: ['keyturn_refreshes_total', { verdict: 'replayed' }, 0],
  family_reuse_race: ['keyturn_refreshes_total', { verdict: 'reuse_race' }, 0],
  family_reuse_attack: ['keyturn_refreshes_total', { verdict: 'reuse_attack' }, 0],
  hash_shed: ['keyturn_hash_queue_refused_total', {}, 0],
}

/** What is counted in this process (counters.ts), as metrics: each count in one place. */
export function countedBy(counters: Counters): Counted[] {
  const counts = counters.read()
  return (Object.keys(countMeanings) as CountName[]).map((event) => {
    const [name, labels] = placed[event] ?? ['keyturn_events_total', { event }]
    return [name, labels, counts[event]] as const
  })
}
