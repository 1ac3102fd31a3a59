import { setTimeout as pause } from 'node:timers/promises'

/** How `eventually` waits: the bound and the pause between two looks, both in milliseconds. */
export interface Patience {
  readonly within?: number
  readonly every?: number
}

/**
 * Polls until the answer is neither `undefined` nor `false`, and returns it. A check that throws counts as "not yet".
 * Uses the monotonic clock, so a faked `Date` does not matter.
 *
 * @throws Error naming `what` after the bound (30 s by default, which a loaded machine may need); its cause is the last
 *   failure of the check.
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  { within = 30_000, every = 25 }: Patience = {},
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + within
  let cause: unknown
  do {
    try {
      const answer = await check()
      if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>
    } catch (error) {
      cause = error
    }
    await pause(every)
  } while (performance.now() < deadline)
  throw new Error(`not within ${within} ms: ${what}`, { cause })
}

/**
 * Like `eventually`, to check a promised bound: measures when the check was started, not how long a busy machine took
 * to answer.
 *
 * @param since of the monotonic clock, in milliseconds: now by default
 * @returns milliseconds from then until the start of the last failed check; 0 when none failed
 */
export async function lastFailureAt(
  what: string,
  check: () => boolean | Promise<boolean>,
  { since = performance.now(), ...patience }: Patience & { readonly since?: number } = {},
): Promise<number> {
  let latest = 0
  await eventually(
    what,
    async () => {
      const asked = performance.now() - since
      let isSo = false
      try {
        isSo = await check()
      } finally {
        if (!isSo) latest = asked
      }
      return isSo
    },
    patience,
  )
  return latest
}
