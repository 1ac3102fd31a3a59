/**
 * Milliseconds in which a second signal is ignored: under npm, Ctrl-C arrives twice, from the terminal and from npm.
 */
const echo = 300

/** In a terminal SIGHUP means that it was closed, and ends the process; elsewhere an operator sent it on purpose. */
const inTerminal = process.stdin.isTTY || process.stdout.isTTY

const endBy = (_name: NodeJS.Signals, number: number) => process.exit(128 + number)

/**
 * Ends the process on a signal, until another handler takes over. By default the kernel does that, but not for the
 * first process of a container, which gets only signals that it handles (pid_namespaces(7)): there Ctrl-C and `docker
 * stop` would do nothing until SIGKILL.
 */
export function endBySignals(): void {
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, endBy)
}

/**
 * Resolves at the first signal to stop.
 * @param secondEnds whether a second signal ends the process at once (exit code 1). Not for a worker: when the whole
 *   process group is signalled (Ctrl-C, systemd), its supervisor forwards the same signal to it again
 */
export function stopSignal({ secondEnds = true } = {}): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let first: number | undefined
  for (const name of ['SIGTERM', 'SIGINT', ...(inTerminal ? ['SIGHUP' as const] : [])] as const) {
    process.off(name, endBy)
    process.on(name, () => {
      if (secondEnds && first !== undefined && performance.now() - first > echo) process.exit(1)
      first ??= performance.now()
      resolve(name)
    })
  }
  return promise
}

/**
 * Handles SIGHUP from now on, which would otherwise end the process.
 * @returns registers a listener
 */
export function hangUpSignal(): (listener: () => void) => void {
  const listeners: (() => void)[] = []
  if (!inTerminal) {
    process.off('SIGHUP', endBy)
    process.on('SIGHUP', () => {
      for (const listener of listeners) listener()
    })
  }
  return (listener) => void listeners.push(listener)
}
