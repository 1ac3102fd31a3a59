/** Milliseconds: Ctrl-C under npm arrives twice, from the terminal and from npm. */
const echo = 300

/** A terminal that is closed hangs up, and what runs in it ends; without one it is an operator who wants something. */
const inTerminal = process.stdin.isTTY || process.stdout.isTTY

const endBy = (_name: NodeJS.Signals, number: number) => process.exit(128 + number)

/**
 * Ends by signals until somebody else listens for them, as any process does but the first one of a container, which hears
 * of none that it does not listen for (pid_namespaces(7)): Ctrl-C and a stop would wait until it is killed.
 */
export function endBySignals(): void {
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, endBy)
}

/**
 * Resolves at the first signal to stop.
 * @param secondEnds whether a second one ends the process at once (exit code 1); not so a worker, which hears of it from
 *   its supervisor as well when the whole group was told (Ctrl-C, systemd), however late, and ends with it
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
 * Takes SIGHUP from now on, which would end the process otherwise.
 * @returns has it heard by somebody
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
