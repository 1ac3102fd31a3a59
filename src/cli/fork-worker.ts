import cluster, { type Worker } from 'node:cluster'

/**
 * Starts a process of this program. There may be none for it (no file, process or memory left: EMFILE, EAGAIN, ENOMEM),
 * of which Node tells some by throwing and some later; what else goes wrong with a worker ends it, and is heard there.
 * @param env what it has beside our own environment
 * @param refused hears once, in a later turn, why there is no process
 */
export function forkWorker(
  env: Readonly<Record<string, string>>,
  refused: (err: Error) => void,
): Worker | undefined {
  try {
    const worker = cluster.fork(env)
    const hasProcess = worker.process.pid !== undefined
    worker.on('error', (err) => hasProcess || refused(err))
    if (hasProcess) return worker
    delete cluster.workers?.[worker.id]
  } catch (error) {
    setImmediate(refused, error as Error)
  }
  return undefined
}
