import { setTimeout as pause } from 'node:timers/promises'

/** How `eventually` waits: the bound and the pause between two looks, both in milliseconds. */
export interface Patience {
  readonly within?: number
  readonly every?: number
}

/**
 * Asks again and again until the answer is neither `undefined` nor `false` and returns it. A check
 * that throws counts as "not yet". Measures with the monotonic clock, so a faked `Date` does not
 * matter.
 *
 * @throws Error naming `what` when the bound (30 s by default, which a loaded machine may need) has passed; its
 *   cause is the last failure of the check.
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
 * As `eventually`, where a bound is promised: what counts is when somebody asked, not how long a busy machine took to
 * answer.
 *
 * @param since of the monotonic clock, in milliseconds: now by default
 * @returns milliseconds from then until somebody asked last in vain; 0 when nobody did
 */
export async function lastInVain(
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
