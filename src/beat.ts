/** Milliseconds between two beats. */
export const beat = 500

/** Of this process alone: processes that were started together part. */
const phase = Math.random() * beat
/** Milliseconds that a timer may be early. */
const early = 5

/**
 * Milliseconds until the beat that is so many beats away, or up to one beat less: what a process does again and again it
 * does on the beat, so that it wakes up once for all of it.
 */
export function untilBeat(beats: number): number {
  const since = performance.now() - phase
  return (Math.floor((since + early) / beat) + beats) * beat - since
}

/** Does it on every beat, from the next one on. @returns ends that */
export function onEveryBeat(work: () => void): () => void {
  let timer = setTimeout(onBeat, untilBeat(1)).unref()
  function onBeat(): void {
    timer = setTimeout(onBeat, untilBeat(1)).unref()
    work()
  }
  return () => clearTimeout(timer)
}
