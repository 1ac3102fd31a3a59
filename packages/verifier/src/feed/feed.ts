import type { AccessTokenClaims } from '../access-token.ts'
import { assertCredentials, type ClientCredentials } from '../client.ts'
import { monotonic } from '../clock.ts'
import { Unavailable } from '../faults.ts'
import type { IssuerMetadata } from '../metadata.ts'
import type { Requests } from '../requests.ts'
import type { RevocationDocument } from './document.ts'
import { createPoll, FeedAnswer } from './poll.ts'
import { createReaderToken } from './reader-token.ts'
import { createRevokedList } from './revoked-list.ts'
import { followStream } from './stream.ts'

export interface FeedOptions extends ClientCredentials {
  /** `poll` requests the list every second; `stream` receives changes at once over an open connection. */
  mode: 'poll' | 'stream'
  /** Seconds after which a list that could not be refreshed is stale. At least 3, with `stream` 15. */
  maxStaleness: number
  /**
   * What happens while it is stale: `refuse` every token (503), or `accept` tokens that are otherwise valid, including
   * revoked ones. There is no default.
   */
  whenStale: 'refuse' | 'accept'
  /** Milliseconds between two polls. 1000 by default. */
  pollEvery?: number
  /** Milliseconds that an answer may take. 5000 by default. */
  timeout?: number
  /** Most entries in memory; 1,000,000 by default. Beyond that the list counts as stale. */
  most?: number
}

/** The issuer's list of revocations, refreshed in the background. */
export interface Feed {
  /** Whether a token is revoked. @throws Unavailable when the list is stale and `whenStale` is `refuse` */
  denies(claims: AccessTokenClaims): Promise<boolean>
  /** Starts following, and waits for the first document. @throws Unavailable when none came */
  load(): Promise<void>
  status(): FeedStatus
  close(): void
}

export interface FeedStatus {
  /** Milliseconds since the list was known to be complete; Infinity before the first document. */
  age: number
  entries: number
  /** Number of accepted documents. */
  documents: number
  /** Number of rejected documents and failed requests. */
  faults: number
  lastFault: string | undefined
}

/** Input of one poll or stream. */
export interface Connection {
  endpoint: URL
  token: string
  cursor: string | undefined
  /** Applies a document. @throws Error when it is not accepted */
  receive(jws: string): Promise<void>
  signal: AbortSignal
}

interface Surroundings {
  issuer: string
  audience: string
  clockTolerance: number
  metadata: () => Promise<IssuerMetadata>
  requests: Requests
  read(jws: string): Promise<RevocationDocument>
  onFault(error: Error): void
}

/** Number of recent cursors to keep: a delta from any of them leaves no gap. */
const remembered = 64
/** Milliseconds: the longest pause after failures. */
const longestPause = 2000

export function createFeed(options: FeedOptions, around: Surroundings): Feed {
  assertFeed(options)
  const { mode, maxStaleness, whenStale, pollEvery = 1000, timeout = 5000 } = options
  const { requests, metadata, audience, issuer, clockTolerance } = around
  const list = createRevokedList(options.most ?? 1_000_000, clockTolerance)
  const reader = createReaderToken(options, issuer, metadata, requests, timeout)
  const poll = createPoll(requests, timeout)
  let isClosed = false
  let current: AbortController | undefined

  let cursors: string[] = []
  let asOf = -Infinity
  /** When this `as_of` was first received, by the monotonic clock. */
  let heardAt = -Infinity
  const counts = { documents: 0, faults: 0 }
  let lastFault: string | undefined
  let isRunning = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  /** Resolvers of those who wait for the end of an attempt or a document. */
  let waiting: (() => void)[] = []

  /**
   * The larger age by two clocks: the wall clock exposes an old document that is replayed; the monotonic clock keeps
   * the list ageing even if the wall clock is set back.
   */
  const age = () => Math.max(monotonic() - heardAt, Date.now() - asOf - clockTolerance * 1000)

  function wake(): void {
    for (const go of waiting.splice(0)) go()
  }

  async function receive(jws: string): Promise<void> {
    const startedAt = monotonic()
    const document = await around.read(jws)
    if (document.asOf < asOf) throw new Error('the document is older than the last one')
    if (document.since !== undefined && !cursors.includes(document.since)) {
      cursors = []
      throw new Error('the document continues from an unknown cursor')
    }
    list.add(document.revoked)
    if (document.asOf > asOf) heardAt = startedAt
    asOf = document.asOf
    if (cursors.at(-1) !== document.cursor)
      cursors = [...cursors.slice(-remembered), document.cursor]
    counts.documents++
    failures = 0
    wake()
  }

  function fault(error: Error): void {
    counts.faults++
    lastFault = error.message
    if (error instanceof FeedAnswer && [401, 403].includes(error.status)) reader.drop()
    around.onFault(error)
  }

  async function attempt(): Promise<void> {
    const found = await metadata()
    const address =
      mode === 'poll' ? found.revocation_feed_endpoint : found.revocation_feed_stream_endpoint
    if (address === undefined) throw new Error('the issuer has no revocation feed')
    const endpoint = new URL(address)
    endpoint.searchParams.set('audience', audience)
    const cursor = cursors.at(-1)
    if (cursor !== undefined) endpoint.searchParams.set('since', cursor)
    const token = await reader.get()
    current = new AbortController()
    if (isClosed) current.abort()
    const connection = { endpoint, token, cursor, receive, signal: current.signal }
    await (mode === 'poll' ? poll(connection) : followStream(requests, connection))
  }

  /** Makes one attempt after the other, with pauses; a random part desynchronises processes. */
  async function run(): Promise<void> {
    if (isRunning || isClosed) return
    isRunning = true
    clearTimeout(timer)
    const startedAt = monotonic()
    let pause = mode === 'poll' ? pollEvery : 0
    try {
      await attempt()
      failures = 0
    } catch (error) {
      if (isClosed) return
      failures++
      fault(error as Error)
      const longest = Math.min(250 * 2 ** failures, longestPause)
      const asked = error instanceof FeedAnswer ? error.retryAfter : 0
      pause = Math.max(pause, asked, longest * (0.5 + Math.random() / 2))
    } finally {
      isRunning = false
      wake()
    }
    // A stream that ends normally, as when its token expires, restarts; not faster than this, whatever the issuer does.
    const spent = monotonic() - startedAt
    if (mode === 'stream' && failures === 0) pause = 1000
    if (isClosed) return
    timer = setTimeout(() => void run(), Math.max(pause - spent, 50))
    // The timer does not keep the process alive.
    ;(timer as { unref?: () => void }).unref?.()
  }

  /** Resolves on the next document or failed attempt. */
  function news(): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(resolve, timeout)
      waiting.push(() => {
        clearTimeout(late)
        resolve()
      })
      // After a failure the pause is kept, however many callers wait.
      if (!isRunning && failures === 0) void run()
    })
  }

  async function isFresh(): Promise<boolean> {
    if (age() <= maxStaleness * 1000) return true
    if (failures === 0) await news()
    return age() <= maxStaleness * 1000
  }

  return {
    async denies(claims) {
      if (!isRunning && timer === undefined) void run()
      const isStale = !(await isFresh())
      if (list.denies(claims)) return true
      if (isStale && whenStale === 'refuse') {
        throw new Unavailable('feed', `no news of revocations for ${maxStaleness} s`)
      }
      return false
    },
    async load() {
      if (!(await isFresh())) throw new Unavailable('feed', lastFault ?? 'no document was received')
    },
    status: () => ({ age: age(), entries: list.size(), ...counts, lastFault }),
    close() {
      isClosed = true
      current?.abort()
      clearTimeout(timer)
      wake()
    },
  }
}

/** @throws TypeError that says what was expected */
function assertFeed(options: FeedOptions): void {
  assertCredentials(options, 'feed')
  const { mode, maxStaleness, whenStale } = options
  if (mode !== 'poll' && mode !== 'stream') {
    throw new TypeError("feed.mode: expected 'poll' or 'stream'")
  }
  if (whenStale !== 'refuse' && whenStale !== 'accept') {
    throw new TypeError("feed.whenStale: expected 'refuse' or 'accept'; there is no default")
  }
  const least = mode === 'poll' ? 3 : 15
  if (!(maxStaleness >= least)) {
    throw new TypeError(`feed.maxStaleness: expected ${least} s or more in mode ${mode}`)
  }
}
