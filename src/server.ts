import type { Core } from './core.ts'
import { createEdge } from './http/edge.ts'
import { listen } from './http/listener.ts'
import { createIssuers } from './issuers.ts'
import { followDatabaseClock } from './storage/storage.ts'

export interface Server {
  /** Where it listens. */
  url: string
  /** Finishes what is in flight and stops; storage stays open. */
  stop(): Promise<void>
}

/** Seconds between two rounds of each. */
const sweepEvery = 60
const clockEvery = 60
const maintainEvery = 3600

/** Starts to answer requests over open capabilities. */
export async function startServer(core: Core): Promise<Server> {
  const { config, log } = core
  const issuers = createIssuers(core)
  const edge = createEdge(config)
  let stopping = false

  const listener = await listen(config, (request, response) => {
    edge.enter(request)
    if (stopping) response.setHeader('Connection', 'close')
    if (stopping && request.url === '/readyz') {
      response.writeHead(503, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ status: 'not ready', reason: 'stopping' }))
      return
    }
    issuers.route(request).then(
      (handle) => {
        if (handle) return handle(request, response)
        response.writeHead(404, { 'Content-Type': 'application/json' })
        return response.end(JSON.stringify({ error: 'not_found' }))
      },
      (error: Error) => {
        log.error({ err: error }, 'no issuer could answer')
        response.writeHead(503, { 'Content-Type': 'application/json', 'Retry-After': '2' })
        response.end(JSON.stringify({ error: 'temporarily_unavailable' }))
      },
    )
  })

  const timers = [
    repeat(sweepEvery, 'sweep', core, () => sweep(core)),
    repeat(clockEvery, 'clock', core, () => followDatabaseClock(core.database, core.clock)),
    repeat(maintainEvery, 'maintenance', core, async () => {
      for (const statement of core.storage.maintenance) await core.database.query(statement)
    }),
  ]
  return {
    url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${config.port}`,
    async stop() {
      stopping = true
      for (const timer of timers) clearInterval(timer)
      await listener.stop()
    },
  }
}

async function sweep({ shortLived, singleUse, denials }: Core): Promise<void> {
  await shortLived.sweep()
  await singleUse.sweep()
  await denials.sweep()
}

function repeat(
  seconds: number,
  what: string,
  { log }: Core,
  work: () => Promise<void>,
): NodeJS.Timeout {
  return setInterval(() => {
    work().catch((error: Error) => log.warn({ err: error, what }, 'background work failed'))
  }, seconds * 1000).unref()
}
