import cluster, { type Worker } from 'node:cluster'

/**
 * Starts a process of this program. It may fail for lack of files, processes or memory (EMFILE, EAGAIN, ENOMEM); Node
 * reports some of these by throwing and some later. Any other failure ends the worker and is reported there.
 * @param env in addition to this process's environment
 * @param refused called once, in a later turn, when no process could be started
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
