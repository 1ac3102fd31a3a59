import { rm } from 'node:fs/promises'
import { Redis as Client } from 'ioredis'
import { type Child, startChild, temporaryFolder } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

/** A Redis server of the test run that persists nothing: a restart comes back empty. */
export interface Redis {
  readonly pid: number
  readonly port: number
  /** The address of one of its 1024 databases, which share `flush`: enough for each storage of a run to have its own. */
  redisUrl(database: number): string
  /** Starts it again after `stop` and waits until it answers. */
  start(): Promise<void>
  /** SIGTERM by default; waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** SIGSTOP: connections neither answer nor close. */
  pause(): void
  resume(): void
  /** FLUSHALL: every database loses everything. */
  flush(): Promise<void>
  /** Stops it for good and removes its files. */
  destroy(): Promise<void>
}

/**
 * Starts Redis in a temporary folder on a port that stays the same over restarts.
 *
 * @throws Error with the server's output when it does not answer within 30 s.
 */
export async function startRedis(program: string): Promise<Redis> {
  const folder = await temporaryFolder('redis')
  const port = await freePort()
  const settings = {
    '--port': String(port),
    '--bind': '127.0.0.1',
    '--databases': '1024',
    '--save': '',
    '--appendonly': 'no',
    '--dir': folder,
  }
  const launch = (): Promise<Child> =>
    startChild(program, Object.entries(settings).flat(), {
      cwd: folder,
      env: { PATH: '/usr/bin:/bin' },
    })
  let child = await launch()

  const send = async (command: 'ping' | 'flushall'): Promise<string> => {
    const client = new Client({
      port,
      host: '127.0.0.1',
      lazyConnect: true,
      retryStrategy: () => null,
      connectTimeout: 2_000,
      commandTimeout: 5_000,
    })
    // A refused connection is told to the caller by connect(); the event repeats it.
    client.on('error', () => undefined)
    try {
      await client.connect()
      return String(await client.call(command))
    } finally {
      client.disconnect()
    }
  }
  const ready = async (): Promise<void> => {
    await eventually('Redis answers', async () => (await send('ping')) === 'PONG').catch(
      (cause: unknown) => {
        throw new Error(`Redis does not start:\n${child.stdout()}`, { cause })
      },
    )
  }
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.ended() === undefined) await child.stop(signal)
  }
  await ready()

  return {
    get pid() {
      return child.pid
    },
    port,
    redisUrl: (database) => `redis://127.0.0.1:${port}/${database}`,
    async start() {
      if (child.ended() !== undefined) child = await launch()
      await ready()
    },
    stop,
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    async flush() {
      await send('flushall')
    },
    async destroy() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
