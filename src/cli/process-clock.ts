import type { Config } from '../../config/config.ts'

/** For tests of clock skew: shifts this process before anything reads the time. */
export async function adoptClockOffset({ clockOffsetSeconds }: Config): Promise<void> {
  if (clockOffsetSeconds === 0) return
  const { shiftProcessTime } = await import('../clock.ts')
  shiftProcessTime(clockOffsetSeconds)
}
