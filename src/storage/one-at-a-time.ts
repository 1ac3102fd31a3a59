/**
 * Work that many ask for: one at a time, and whoever comes meanwhile waits for the one after, which sees what made it
 * come; one serves all of them.
 */
export function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return async () => {
    if (running) await running.catch(() => undefined)
    running ??= work().finally(() => {
      running = undefined
    })
    return running
  }
}
