/**
 * The server's idea of the time. Every node follows the clock of Postgres, so that an expiry written by one
 * node means the same on another (reliability R-08); SQL always receives the time as a parameter.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Whole seconds since the epoch, as JWTs want them (RFC 7519 §2, NumericDate). */
  seconds(): number
  /** How far this process is from Postgres, in milliseconds; positive when Postgres is ahead. */
  readonly offset: number
  /**
   * How often since the start the machine's clock was set, or the machine stood still; it rises as soon as that has
   * happened. Until Postgres is read again, the time goes on as if it had not.
   */
  readonly steps: number
  /**
   * Adopts a reading of the database's clock.
   * @param databaseTime what the database said, in milliseconds
   * @param roundTrip how long asking took, in milliseconds; half of it is added to the reading
   */
  follow(databaseTime: number, roundTrip: number): void
}

/** The clocks of this machine, in milliseconds. */
export interface MachineClocks {
  /** Since the epoch; somebody may set it. */
  now(): number
  /** Since any moment; only ever goes on, at the same pace. */
  monotonic(): number
}

const machineClocks: MachineClocks = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/**
 * Milliseconds by which the wall clock and the monotonic clock may drift apart before the wall clock counts as set.
 * What corrects a clock by less (slewing) slows both alike.
 */
const noticeable = 500

/** A clock that starts at the process's own time and follows the database once it has been read. */
export function createClock(machine = machineClocks): Clock {
  let offset = 0
  let steps = 0
  const lead = () => machine.now() - machine.monotonic()
  let known = lead()

  /** By how much the machine's clock was set, or stood still, since it was compared. */
  function moved(): number {
    const by = Math.round(lead() - known)
    return Math.abs(by) > noticeable ? by : 0
  }

  const now = () => machine.now() - moved() + offset
  return {
    now,
    seconds: () => Math.floor(now() / 1000),
    get offset() {
      return offset
    },
    get steps() {
      return moved() === 0 ? steps : steps + 1
    },
    follow(databaseTime, roundTrip) {
      const measured = databaseTime + roundTrip / 2 - machine.now()
      // Below the error of the measurement a correction would only add jitter.
      offset = Math.abs(measured) > roundTrip + 5 ? Math.round(measured) : 0
      if (moved() !== 0) steps++
      known = lead()
    },
  }
}

/**
 * Shifts the whole process in time, the engine and every library included. For tests of clock skew alone.
 * @param seconds how far, in seconds; negative is the past
 */
export function shiftProcessTime(seconds: number): void {
  const RealDate = globalThis.Date
  const shift = seconds * 1000
  globalThis.Date = class extends RealDate {
    constructor(...args: [] | [number | string | Date]) {
      if (args.length === 0) super(RealDate.now() + shift)
      else super(args[0])
    }
    static override now(): number {
      return RealDate.now() + shift
    }
  } as DateConstructor
}
