import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Log } from '../log.ts'

/** Messages between the nodes of one database. They may be lost: a poll is always the truth. */
export interface Notifications {
  /** Calls back whenever another node, or this one, has said something on the channel. */
  listen(channel: string, heard: () => void): void
  close(): Promise<void>
}

/** One process alone has nobody to listen to. */
export const noNotifications: Notifications = {
  listen: () => undefined,
  close: async () => undefined,
}

/** Milliseconds between two attempts to get the connection back. */
const pause = 1000
/** Milliseconds that Postgres has to take leave. */
const leave = 1000

/** LISTEN on a connection of its own, which is opened again whenever it breaks. */
export function listenOnServer(url: string, log: Log): Notifications {
  const channels = new Map<string, Array<() => void>>()
  let client: pg.Client | undefined
  /** The same, also while it connects. */
  let latest: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false

  function again(error?: Error): void {
    if (closed || retry) return
    if (error) log.warn({ err: error }, 'notifications interrupted')
    retry = setTimeout(() => {
      retry = undefined
      void connect()
    }, pause).unref()
  }

  async function connect(): Promise<void> {
    const fresh = new pg.Client({
      connectionString: url,
      application_name: 'keyturn listener',
      connectionTimeoutMillis: 2000,
      keepAlive: true,
    })
    latest = fresh
    fresh.on('error', again)
    fresh.on('end', () => again())
    fresh.on('notification', ({ channel }) => {
      for (const heard of channels.get(channel) ?? []) heard()
    })
    try {
      await fresh.connect()
      client = fresh
      for (const channel of channels.keys()) await fresh.query(`listen ${channel}`)
    } catch (error) {
      await fresh.end().catch(() => undefined)
      again(error as Error)
    }
  }

  let connected: Promise<void> | undefined
  return {
    listen(channel, heard) {
      channels.set(channel, [...(channels.get(channel) ?? []), heard])
      // One after the other: the driver takes one statement at a time.
      const listening = () => client?.query(`listen ${channel}`).then(() => undefined, again)
      connected = connected?.then(listening) ?? connect()
    },
    async close() {
      closed = true
      clearTimeout(retry)
      const ended = async () => {
        await connected
        await latest?.end().catch(() => undefined)
      }
      // A server that stands still says nothing, not even good-bye.
      await Promise.race([ended(), sleep(leave, undefined, { ref: false })])
      latest?.connection.stream.destroy()
    },
  }
}
