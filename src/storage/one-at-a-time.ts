/**
 * Runs work one at a time. All who ask while a run is under way share the run after it, which begins when they have
 * asked, and so sees what made them ask.
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
