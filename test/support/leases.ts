import { expect } from 'chai'
import type { Core } from '../../src/core.ts'

/** Milliseconds: the outbox's lease. */
const longest = 15_000

/**
 * Ends the leases of a dead node in the outbox; they may have ended by themselves.
 * @param kind of messages; no live node may have taken any of it
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
