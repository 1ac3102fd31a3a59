/**
 * The server's idea of the time. Every node follows the clock of Postgres, so that an expiry written by one
 * node means the same on another (reliability R-08); SQL always receives the time as a parameter.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Whole seconds since the epoch, as in JWTs (RFC 7519 §2, NumericDate). */
  seconds(): number
  /** How far this process is from Postgres, in milliseconds; positive when Postgres is ahead. */
  readonly offset: number
  /**
   * How often the machine's clock was set, or the machine paused, since the start. It rises immediately. Until the
   * clock of Postgres is read again, the time continues as if nothing had happened.
   */
  readonly steps: number
  /**
   * Adopts a reading of the database's clock.
   * @param databaseTime the time of the database, in milliseconds
   * @param roundTrip the duration of the query, in milliseconds; half of it is added to the reading
   */
  follow(databaseTime: number, roundTrip: number): void
}

/** Milliseconds by which the clocks of this machine and of Postgres may differ; beyond, one of them is wrong. */
export const tolerableSkew = 60_000

/** The clocks of this machine, in milliseconds. */
export interface MachineClocks {
  /** Since the epoch; it may be set. */
  now(): number
  /** Since an arbitrary moment; it never goes back and is never set. */
  monotonic(): number
}

const machineClocks: MachineClocks = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/**
 * Milliseconds by which the wall clock and the monotonic clock may drift apart before the wall clock counts as set.
 * Smaller corrections (slewing) affect both clocks.
 */
const noticeable = 500

/** Milliseconds by which a measurement may be wrong, in addition to half its duration. */
const jitter = 5

/** A clock that starts at the process's own time and follows the database once it has been read. */
export function createClock(machine = machineClocks): Clock {
  let offset = 0
  let steps = 0
  const lead = () => machine.now() - machine.monotonic()
  let known = lead()

  /** By how much the machine's clock was set, or the machine paused, since the last comparison. */
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
      const by = moved()
      const measured = databaseTime + roundTrip / 2 - machine.now()
      // A difference within the error of the measurement, which is large when Postgres is slow, is ignored.
      const isKnown = Math.abs(measured - (offset - by)) <= roundTrip / 2 + jitter
      offset = isKnown ? offset - by : Math.round(measured)
      if (by !== 0) steps++
      known = lead()
    },
  }
}

/** The built-in `Date`. */
const Native = Date

/** The time of this machine, in milliseconds since the epoch; shifted in tests. */
let machineNow = Native.now

/**
 * Creates a clock and makes `Date` follow it in the whole process, so that the engine and all libraries use the time of
 * Postgres: a timestamp of one node means the same on another. Replaces an earlier process clock.
 */
export function createProcessClock(): Clock {
  const now = () => machineNow()
  const clock = createClock({ ...machineClocks, now })
  // A request reads the time dozens of times, so it is computed once per millisecond.
  let read = Number.NaN
  let told = 0
  const { follow } = clock
  clock.follow = (databaseTime, roundTrip) => {
    follow(databaseTime, roundTrip)
    read = Number.NaN
  }
  setProcessTime(() => {
    const machine = now()
    if (machine !== read) {
      read = machine
      told = clock.now()
    }
    return told
  })
  return clock
}

/**
 * Shifts the time of the whole process, as if the clock of its machine were wrong. Only for tests of clock skew.
 * @param seconds how far, in seconds; negative is the past
 */
export function shiftProcessTime(seconds: number): void {
  const before = machineNow
  machineNow = () => before() + seconds * 1000
  // A process clock already reads `machineNow`.
  if (Date === Native) setProcessTime(() => machineNow())
}

/** Dates made by Node itself, or by a reference that a library has kept, are instances too: the prototype is shared. */
function setProcessTime(now: () => number): void {
  function Told(...given: [] | [number | string | Date]) {
    if (new.target === undefined) return new Native(now()).toString()
    return Reflect.construct(Native, given.length === 0 ? [now()] : given, new.target) as Date
  }
  const { parse, UTC, prototype } = Native
  globalThis.Date = Object.assign(Told, {
    now,
    parse,
    UTC,
    prototype,
  }) as unknown as DateConstructor
  // `new date.constructor()` then uses the same time, for every date.
  prototype.constructor = globalThis.Date
}
