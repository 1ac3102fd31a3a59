import { expect } from 'chai'
import type { Core } from '../../src/core.ts'

/** Milliseconds; what the outbox gives a node for one delivery, at most. */
const longest = 15_000

/**
 * Lets the time pass for which a node that is dead now had taken messages of the outbox; it may have passed by itself.
 * @param kind of messages; no node that lives has taken any of it
 */
export async function endLeases(core: Core, kind: string): Promise<void> {
  const now = core.clock.now()
  const ended = await core.database.query<{ until: Date }>(
    'select leased_until as until from outbox where kind = $1 and leased_until > $2',
    [kind, new Date(now)],
  )
  for (const { until } of ended) expect(until.getTime() - now).to.be.within(1, longest)
  await core.database.execute(
    'update outbox set leased_until = $2 where kind = $1 and leased_until > $2',
    [kind, new Date(now)],
  )
}
