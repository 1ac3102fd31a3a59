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
   * Adopts a reading of the database's clock.
   * @param databaseTime what the database said, in milliseconds
   * @param roundTrip how long asking took, in milliseconds; half of it is added to the reading
   */
  follow(databaseTime: number, roundTrip: number): void
}

/** A clock that starts at the process's own time and follows the database once it has been read. */
export function createClock(): Clock {
  let offset = 0
  return {
    now: () => Date.now() + offset,
    seconds: () => Math.floor((Date.now() + offset) / 1000),
    get offset() {
      return offset
    },
    follow(databaseTime, roundTrip) {
      const measured = databaseTime + roundTrip / 2 - Date.now()
      // Below the error of the measurement a correction would only add jitter.
      offset = Math.abs(measured) > roundTrip + 5 ? Math.round(measured) : 0
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
