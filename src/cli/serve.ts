import { setImmediate as turn } from 'node:timers/promises'
import { loadConfig } from '../../config/load.ts'
import { createLog, type Log } from '../log.ts'
import { present } from '../present.ts'
import { version } from '../version.ts'
import { banner, operatorBox } from './banner.ts'
import type { Io } from './command.ts'
import { controlSocketOf } from './control-socket.ts'
import { boundGrowth } from './memory.ts'
import { adoptClockOffset } from './process-clock.ts'
import { hangUpSignal, stopSignal } from './signals.ts'
import { answerWatch } from './watchdog.ts'
import { tellSupervisor } from './worker-metrics.ts'
import { schedulesIn, superviseWorkers, workerId, workersOf } from './workers.ts'

/**
 * Runs the server until SIGTERM or SIGINT; a second one ends the process at once (exit code 1). SIGHUP reloads renewed
 * files.
 * @throws DomainError when it cannot start
 */
export async function serve(io: Io): Promise<void> {
  const config = loadConfig(io.env)
  await adoptClockOffset(config)
  const supervises = workerId === undefined && workersOf(config) > 1
  const worker = supervises ? 'supervisor' : workerId
  const log = createLog({ level: config.logLevel, ...present({ worker }) })
  endOnStrayErrors(log)
  // The IPC channel must not keep a worker alive that could not start.
  process.channel?.unref()
  const stop = stopSignal({ secondEnds: workerId === undefined })
  const onHangUp = hangUpSignal()
  if (workerId !== undefined) answerWatch()
  if (supervises) return superviseWorkers({ config, log }, stop, onHangUp)

  const [{ createClock, createProcessClock }, { openCore }, { startServer }, { serveControl }] =
    await Promise.all([
      import('../clock.ts'),
      import('../core.ts'),
      import('../server.ts'),
      import('./control-server.ts'),
    ])
  // Embedded Postgres uses this process' time: following its clock would be circular.
  const clock = config.databaseUrl ? createProcessClock() : createClock()
  // Embedded storage belongs to this process, which migrates it; a shared database is migrated explicitly.
  const opening = openCore(config, log, { schema: 'require', clock })
  // A stop may interrupt opening a server: Postgres rolls back by itself. Embedded storage must be opened and closed in
  // order.
  const core = await (config.databaseUrl ? Promise.race([opening, stop]) : opening)
  if (typeof core === 'string') {
    opening.catch(() => undefined)
    log.info({ signal: core }, 'stopping before startup has finished')
    return
  }
  /** Whether a signal to stop has arrived; one that came with the last answer is delivered at the end of the turn. */
  async function isOver(): Promise<boolean> {
    const signal = await Promise.race([stop, turn()])
    if (signal) log.info({ signal }, 'stopping before startup has finished')
    return signal !== undefined
  }
  try {
    if (await isOver()) return
    const operator = await core.firstStart()
    // Otherwise the account would exist with a password that nobody has read.
    const tellOperator = () => {
      if (operator) io.out(operatorBox(operator, config.oneTimePasswordTtl))
    }
    if (await isOver()) return tellOperator()
    const isWorker = workerId !== undefined
    const tellLast = isWorker && core.readMetrics ? tellSupervisor(core.readMetrics) : undefined
    const options = { isWorker, schedules: schedulesIn(io.env) }
    const server = await startServer(core, options).catch((error: unknown) => {
      tellOperator()
      throw error
    })
    const unbound = boundGrowth()
    onHangUp(() => void server.look())
    const socket = controlSocketOf(config)
    try {
      const control = socket === undefined ? undefined : await serveControl(core, socket)
      // Only the first worker prints; later ones are replacements, or join a running server.
      if (workerId === undefined || workerId === 1) {
        const workers = workersOf(config)
        io.out(banner({ version, config, storage: core.storage.description, workers, operator }))
      }
      log.info({ signal: await stop }, 'stopping')
      await control?.close()
    } finally {
      await server.stop()
      await tellLast?.()
      unbound()
    }
  } finally {
    await core.close()
  }
}

/** After an unexpected error the state of the process is unknown: it logs the error and ends (ASVS 16.5.4). */
function endOnStrayErrors(log: Log): void {
  for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(kind, (error: unknown) => {
      try {
        log.fatal({ err: error }, kind)
      } finally {
        process.exit(1)
      }
    })
  }
}
