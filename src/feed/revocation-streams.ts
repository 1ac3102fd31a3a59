import type { Denials } from '../denials/denials.ts'
import { isDomainError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ResourceServer } from '../resources/resource-server.ts'
import type { RevocationDocument, RevocationFeed } from './revocation-feed.ts'

/** Streams of documents: every node sends revocations as soon as it knows them. */
export interface RevocationStreams {
  /**
   * Sends a document now, one after each revocation that concerns the audience, and one as a sign of life.
   * @returns what ends it
   * @throws as the feed does
   */
  follow(
    tenant: string,
    server: ResourceServer,
    since: string | undefined,
    reader: Reader,
  ): Promise<() => void>
  start(): void
  /** Ends all of them. */
  stop(): void
}

export interface Reader {
  /** Whether the last document was taken; if not, the next one will also contain the newer revocations. */
  isReady(): boolean
  receive(document: RevocationDocument): void
  /** Whether the reader may go on; asked whenever something of its tenant was revoked, and with each heartbeat. */
  mayRead(): Promise<boolean>
  /** Called last. */
  end(): void
}

interface Stream {
  tenant: string
  server: ResourceServer
  reader: Reader
  last: RevocationDocument
  /** By `performance.now()`. */
  sentAt: number
  isBusy: boolean
  isBehind: boolean
}

/** Milliseconds between two heartbeats, and between two checks which streams are due. */
const heartbeatEvery = 10_000
const lookEvery = 500
/** Milliseconds between two documents: simultaneous revocations are sent together. */
const pause = 100
/** Milliseconds after which a reader that takes nothing is dropped. */
const patience = 30_000

export function createRevocationStreams({
  feed,
  denials,
  log,
}: {
  feed: RevocationFeed
  denials: Denials
  log: Log
}): RevocationStreams {
  const streams = new Set<Stream>()
  let timers: NodeJS.Timeout[] = []
  let unsubscribe = () => undefined as void
  let toldAt = 0
  let soon: NodeJS.Timeout | undefined
  let news = new Set<string>()

  function drop(stream: Stream): void {
    if (streams.delete(stream)) stream.reader.end()
  }

  /** @param isDue whether even an empty document is sent */
  async function serve(stream: Stream, isDue: boolean): Promise<void> {
    const { tenant, server, reader, last } = stream
    if (!reader.isReady()) {
      stream.isBehind = true
      if (performance.now() - stream.sentAt > patience) drop(stream)
      return
    }
    // Its own token may be what was revoked.
    if (!(await reader.mayRead())) {
      drop(stream)
      return
    }
    const since = { arrivedAfter: last.arrived }
    const isNews = denials.known(tenant, server.identifier, since).entries.length > 0
    stream.isBehind = false
    if (!isNews && !isDue) return
    const document = await feed.after(tenant, server, last)
    if (!streams.has(stream)) return
    reader.receive(document)
    stream.last = document
    stream.sentAt = performance.now()
  }

  /** One document at a time, each from where the one before ended. */
  function attend(stream: Stream, isDue = false): void {
    if (stream.isBusy) {
      stream.isBehind = true
      return
    }
    stream.isBusy = true
    serve(stream, isDue)
      .catch((error: Error) => {
        stream.isBehind = true
        // Nothing is sent that may be wrong; the reader notices the silence.
        if (!isDomainError(error))
          log.warn({ err: error }, 'could not send revocations to a stream')
      })
      .finally(() => {
        stream.isBusy = false
      })
  }

  function tell(): void {
    soon = undefined
    toldAt = performance.now()
    const tenants = news
    news = new Set()
    for (const stream of streams) if (tenants.has(stream.tenant)) attend(stream)
  }

  function heard(tenants: ReadonlySet<string>): void {
    if (streams.size === 0) return
    for (const tenant of tenants) news.add(tenant)
    soon ??= setTimeout(tell, Math.max(0, toldAt + pause - performance.now()))
  }

  function look(): void {
    const now = performance.now()
    for (const stream of streams) {
      const isDue = now - stream.sentAt >= heartbeatEvery
      if (isDue || stream.isBehind) attend(stream, isDue)
    }
  }

  return {
    async follow(tenant, server, since, reader) {
      const last = await feed.document(tenant, server, since)
      const sentAt = performance.now()
      const stream = { tenant, server, reader, last, sentAt, isBusy: false, isBehind: true }
      reader.receive(last)
      streams.add(stream)
      // The document may be a shared one, up to a second old.
      attend(stream)
      return () => void streams.delete(stream)
    },
    start() {
      if (timers.length > 0) return
      unsubscribe = denials.onChange(heard)
      timers = [setInterval(look, lookEvery).unref()]
    },
    stop() {
      unsubscribe()
      for (const timer of timers) clearInterval(timer)
      timers = []
      clearTimeout(soon)
      soon = undefined
      for (const stream of streams) drop(stream)
    },
  }
}
