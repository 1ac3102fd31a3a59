import { expect } from 'chai'
import type { Core } from '../../src/core.ts'

/** Milliseconds; what the outbox gives a node for one delivery, at most. */
const longest = 15_000

/** Lets the time pass for which a node that is dead now had taken messages of the outbox. */
export async function endLeases(core: Core): Promise<void> {
  const now = core.clock.now()
  const ended = await core.database.query<{ until: Date }>(
    'select leased_until as until from outbox where leased_until > $1',
    [new Date(now)],
  )
  expect(ended, 'messages that are a node’s').to.not.deep.equal([])
  for (const { until } of ended) expect(until.getTime() - now).to.be.within(1, longest)
  await core.database.execute('update outbox set leased_until = $1 where leased_until > $1', [
    new Date(now),
  ])
}
