import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Log } from '../log.ts'
import { type Asking, answerTo } from './connection.ts'
import type { Database } from './database.ts'
import { createTurns } from './in-turn.ts'
import { isConnectionLost } from './violations.ts'

/** Messages between the nodes of one database. They may be lost; polling finds what they missed. */
export interface Notifications {
  /** Calls back for every notification on the channel, from this node or another. */
  listen(channel: string, heard: () => void): void
  /**
   * The rows of a read-only statement, outside of any transaction. Uses the listening connection while there is one:
   * reading revocations must not wait for requests that hold every connection of the pool. Fails on a server that takes
   * no writes, since a primary that was fenced off would keep answering with stale data.
   */
  query: Database['query']
  close(): Promise<void>
}

/** For the embedded engine: a single process has no other nodes to listen to. */
export const noNotifications = ({ query }: Database): Notifications => ({
  listen: () => undefined,
  query,
  close: async () => undefined,
})

/** Milliseconds between two reconnection attempts. */
const pause = 1000
/** Milliseconds that Postgres gets to close a connection. */
const leave = 1000

/**
 * LISTEN on a dedicated connection, which is reopened whenever it breaks, does not answer, or leads to a server that
 * takes no writes.
 * @param settings of the driver's client, the same as the pool's
 */
export function listenOnServer(
  settings: pg.ClientConfig,
  { database, log, ...asking }: Asking & { database: Database; log: Log },
): Notifications {
  const channels = new Map<string, Array<() => void>>()
  let client: pg.Client | undefined
  /** The newest client, also while it still connects. */
  let latest: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false
  /** Runs callbacks outside of the asynchronous context of the request that happened to find the connection broken. */
  const apart = AsyncLocalStorage.snapshot()

  /** Destroys the socket: a connection that hangs may take long to end, without a sign. */
  function lose(lost: pg.Client, error?: Error): void {
    if (lost !== latest) return
    client = undefined
    lost.connection.stream.destroy()
    if (closed || retry) return
    if (error)
      log.warn({ err: error }, 'lost the connection for Postgres notifications; connecting again')
    retry = setTimeout(() => {
      retry = undefined
      void apart(connect)
    }, pause).unref()
  }

  /** Has the timeout of any other statement, so that those queued behind it do not wait for ever. */
  const listenOn = (asked: pg.Client, channel: string) =>
    answerTo(asked, { sql: `listen ${channel}` }, asking)

  async function connect(): Promise<void> {
    const fresh = new pg.Client({ ...settings, application_name: 'keyturn listener' })
    latest = fresh
    fresh.on('error', (error) => lose(fresh, error))
    fresh.on('end', () => lose(fresh))
    fresh.on('notification', ({ channel }) => {
      for (const heard of channels.get(channel) ?? []) heard()
    })
    try {
      await fresh.connect()
      await answerTo(fresh, { sql: 'select 1', onPrimary: true }, asking)
      for (const channel of channels.keys()) await listenOn(fresh, channel)
      if (fresh === latest) client = fresh
    } catch (error) {
      lose(fresh, error as Error)
    }
  }

  async function read<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    const asked = client
    if (!asked) return database.queryPrimary<Row>(sql, parameters)
    try {
      const { rows } = await answerTo(asked, { sql, parameters, onPrimary: true }, asking)
      return rows as Row[]
    } catch (error) {
      if (isConnectionLost(error)) lose(asked, error as Error)
      throw error
    }
  }

  /** Serialises statements: the driver takes one at a time. */
  const inTurn = createTurns()

  let connected: Promise<void> | undefined
  return {
    listen(channel, heard) {
      channels.set(channel, [...(channels.get(channel) ?? []), heard])
      const listening = async () => {
        const asked = client
        if (asked) await listenOn(asked, channel).catch((error: Error) => lose(asked, error))
      }
      connected = connected?.then(() => inTurn(listening)) ?? connect()
    },
    query: <Row>(sql: string, parameters: unknown[] = []) =>
      client
        ? inTurn(() => read<Row>(sql, parameters))
        : database.queryPrimary<Row>(sql, parameters),
    async close() {
      closed = true
      clearTimeout(retry)
      const ended = async () => {
        await connected
        await latest?.end().catch(() => undefined)
      }
      // A hung server does not confirm the close.
      await Promise.race([ended(), sleep(leave, undefined, { ref: false })])
      latest?.connection.stream.destroy()
    },
  }
}
