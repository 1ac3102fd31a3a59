/**
 * Runs `work` one run at a time. All calls that arrive during a run share the next one, which starts after they were
 * made and so sees whatever caused them.
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
