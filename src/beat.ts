/** Milliseconds between two beats. */
export const beat = 500

/** Random per process, so that processes that started together do not beat together. */
const phase = Math.random() * beat
/** Milliseconds that a timer may be early. */
const early = 5

/**
 * Milliseconds until the beat that is `beats` away, or up to one beat less. Periodic work runs on beats, so that the
 * process wakes up once for all of it.
 */
export function untilBeat(beats: number): number {
  const since = performance.now() - phase
  return (Math.floor((since + early) / beat) + beats) * beat - since
}

/** Calls `work` on every beat, from the next one on. @returns a function that stops it */
export function onEveryBeat(work: () => void): () => void {
  let timer = setTimeout(onBeat, untilBeat(1)).unref()
  function onBeat(): void {
    timer = setTimeout(onBeat, untilBeat(1)).unref()
    work()
  }
  return () => clearTimeout(timer)
}
