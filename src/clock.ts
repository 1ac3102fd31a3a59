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

/** Milliseconds that the clocks of this machine and of Postgres may be apart: then one of them is wrong. */
export const tolerableSkew = 60_000

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

/** Milliseconds that a measurement may be wrong by, beside what it took. */
const jitter = 5

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
      const by = moved()
      const measured = databaseTime + roundTrip / 2 - machine.now()
      // What is within the error of the measurement, which takes long where Postgres is slow, corrects nothing.
      const isKnown = Math.abs(measured - (offset - by)) <= roundTrip / 2 + jitter
      offset = isKnown ? offset - by : Math.round(measured)
      if (by !== 0) steps++
      known = lead()
    },
  }
}

/** What this runtime came with. */
const Native = Date

/** What this machine says, in milliseconds since the epoch; shifted in tests. */
let machineNow = Native.now

/**
 * A clock that this whole process lives by from now on: whoever asks `Date` for the time, the engine and every library
 * included, is told that of Postgres. So what one node dates means the same on another that judges it by its date.
 * It takes the place of an earlier one.
 */
export function createProcessClock(): Clock {
  const now = () => machineNow()
  const clock = createClock({ ...machineClocks, now })
  // A request asks dozens of times: once in a millisecond it is worked out.
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
 * Shifts the whole process in time, as if the clock of its machine were wrong. For tests of clock skew alone.
 * @param seconds how far, in seconds; negative is the past
 */
export function shiftProcessTime(seconds: number): void {
  const before = machineNow
  machineNow = () => before() + seconds * 1000
  // What follows Postgres notices.
  if (Date === Native) setProcessTime(() => machineNow())
}

/** One that Node itself makes, or a library has kept, is an instance of it, too: they have one prototype. */
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
  // Of any there is, `new date.constructor()` tells the same time.
  prototype.constructor = globalThis.Date
}
