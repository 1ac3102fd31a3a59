import { setTimeout as pause } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { serverAt } from '../test/outages/load.ts'
import { eventually } from '../test/support/eventually.ts'
import { api, furnish, machine, ordersApi } from '../test/support/fixtures.ts'
import { post, tokensIn } from '../test/support/protocol.ts'
import {
  denies,
  feedToken,
  openStream,
  type RevocationClaims,
} from '../test/support/revocations.ts'
import { mochaGlobalSetup, mochaGlobalTeardown } from '../test/support/root-hooks.ts'
import { startTwoNodes } from '../test/support/two-nodes.ts'
import { percentile } from './load/percentile.ts'

/** How many tokens are revoked at one node, one after another, while the feed is read at the other. */
const rounds = 60
/** Milliseconds between two polls, typical for an API. */
const pollEvery = 1000

await mochaGlobalSetup()
const nodes = await startTwoNodes({ LOG_LEVEL: 'warn' })
try {
  await furnish(nodes)
  const a = serverAt(nodes.a.url)
  const access = await feedToken(serverAt(nodes.issuer), ordersApi)
  const streamed: number[] = []
  const polled: number[] = []
  const stream = await openStream(serverAt(nodes.b.url), access)
  await eventually('the first document', () => stream.events[0])

  const awaited = new Map<string, { at: number; claims: ReturnType<typeof decodeJwt> }>()
  let isOver = false
  async function poll(): Promise<void> {
    let since = ''
    while (!isOver) {
      const query = new URLSearchParams({ audience: api, since }).toString()
      const answer = await fetch(`${nodes.b.url}/revocations?${query}`, {
        headers: { authorization: `Bearer ${access}` },
      })
      const { revoked, cursor } = decodeJwt<RevocationClaims>(await answer.text())
      since = cursor
      for (const [jti, { at, claims }] of awaited) {
        if (!denies(revoked, claims)) continue
        polled.push(performance.now() - at)
        awaited.delete(jti)
      }
      await pause(pollEvery)
    }
  }
  const polling = poll()

  for (let i = 0; i < rounds; i++) {
    const asked = { grant_type: 'client_credentials', resource: api }
    const { access_token: token } = tokensIn(await post(a, '/token', machine, asked))
    const claims = decodeJwt(token)
    const seen = stream.events.length
    await post(a, '/revoke', machine, { token })
    const at = performance.now()
    awaited.set(claims.jti as string, { at, claims })
    const told = await eventually('the revocation in the stream', () =>
      stream.events
        .slice(seen)
        .find(({ data }) => denies(decodeJwt<RevocationClaims>(data).revoked, claims)),
    )
    streamed.push(Math.max(0, told.at - at))
    // Varies the phase relative to the polls and the throttle.
    await pause(137 + (i % 7) * 41)
  }
  await eventually('all revocations in the polls', () => awaited.size === 0)
  isOver = true
  await polling
  stream.close()

  console.log(
    `from the response of /revoke at one node to the feed of the other, ${rounds} revocations:`,
  )
  for (const [name, figures] of Object.entries({ stream: streamed, poll: polled })) {
    const parts = [0.5, 0.99, 1].map((part) => `${percentile(figures, part).toFixed(0)} ms`)
    console.log(`${name.padEnd(8)} p50 ${parts[0]}  p99 ${parts[1]}  longest ${parts[2]}`)
  }
} finally {
  await nodes.stop()
  await mochaGlobalTeardown()
}
