import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** What could not be written, so far. */
export interface Losses {
  lost: number
}

/** Where finished lines go. */
export interface LogDestination {
  write(line: string): void
  /** Writes what waits, as far as that goes in a moment. */
  flushSync(): void
}

const newline = Buffer.from('\n')
/** Bytes that wait for a slow reader; beyond, lines are lost. */
const mostWaiting = 1_048_576
/** Milliseconds between two attempts to write them: each fills a pipe, so that a quick reader gets 32 MB in a second. */
const pause = 2
/** Milliseconds that the end of the process may wait for the reader. */
const lastPatience = 500

/**
 * Writes lines to a descriptor without ever waiting for it or failing by it: the log must not end what it tells about.
 * (What pino brings along waits for a full disk for ever when it tells of a fatal error.)
 *
 * | what happens                               | what becomes of the line                                          |
 * |--------------------------------------------|-------------------------------------------------------------------|
 * | nothing                                    | it is there when `write` returns                                  |
 * | the reader of a pipe is behind (EAGAIN)    | it waits; it is lost where a mebibyte waits already               |
 * | no space, no reader any more (ENOSPC, EPIPE) | it is lost; the next one is tried again                         |
 * | the same, or no place, in the middle of it | it is lost, and the next one begins on a line of its own          |
 *
 * @param fd a file, or what answers EAGAIN instead of waiting
 * @param losses counts them
 * @param tell says how many were lost, as soon as something was written again
 */
export function createLogDestination(
  fd: number,
  losses: Losses,
  tell: (lost: number, reason: string) => void,
): LogDestination {
  const waiting: Buffer[] = []
  let bytesWaiting = 0
  let timer: NodeJS.Timeout | undefined
  let untold = 0
  let reason = ''
  /** Whether what was written last is not the end of a line. */
  let isWithinLine = false
  /** Whether the first that waits goes on where that ended. */
  let isBegun = false

  function lose(why: string): void {
    losses.lost++
    untold++
    reason = why
  }

  /**
   * @param goesOn whether it belongs to the line that was written last
   * @returns what has to wait of it, which then goes on
   */
  function put(bytes: Buffer, goesOn = false): Buffer | undefined {
    let rest = isWithinLine && !goesOn ? Buffer.concat([newline, bytes]) : bytes
    try {
      while (rest.length > 0) {
        const written = writeSync(fd, rest)
        isWithinLine = rest[written - 1] !== newline[0]
        rest = rest.subarray(written)
      }
      return undefined
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException
      if (code === 'EAGAIN') return rest
      lose(code)
      return undefined
    }
  }

  /** @returns whether there is a place for it */
  function keep(bytes: Buffer): boolean {
    if (bytesWaiting + bytes.length > mostWaiting) {
      lose('EAGAIN')
      return false
    }
    waiting.push(bytes)
    bytesWaiting += bytes.length
    timer ??= setTimeout(drain, pause).unref()
    return true
  }

  function writeWaiting(): void {
    for (let next = waiting[0]; next; next = waiting[0]) {
      const rest = put(next, isBegun)
      bytesWaiting -= next.length - (rest?.length ?? 0)
      isBegun = rest !== undefined
      if (rest) {
        waiting[0] = rest
        return
      }
      waiting.shift()
    }
  }

  function drain(): void {
    timer = undefined
    const before = losses.lost
    writeWaiting()
    if (waiting.length > 0) timer = setTimeout(drain, pause).unref()
    else if (losses.lost === before) tellLosses()
  }

  function tellLosses(): void {
    if (untold === 0) return
    const lost = untold
    untold = 0
    tell(lost, reason)
    // It may be lost itself.
    if (untold > 0) untold += lost
  }

  return {
    write(line) {
      const bytes = Buffer.from(line)
      if (waiting.length > 0) {
        keep(bytes)
        return
      }
      const before = losses.lost
      const rest = put(bytes)
      if (rest) isBegun = keep(rest)
      else if (losses.lost === before) tellLosses()
    },
    flushSync() {
      const sleeper = new Int32Array(new SharedArrayBuffer(4))
      for (let waited = 0; waited < lastPatience; waited += pause) {
        writeWaiting()
        if (waiting.length === 0) return
        Atomics.wait(sleeper, 0, 0, pause)
      }
    },
  }
}

/**
 * Standard output that never blocks. A pipe is opened again: non-blocking mode belongs to the open file description, and a
 * process that ends (a worker, say) resets it for all that share the description. So is a terminal, where Ctrl-S would
 * block writers. A socket cannot be opened again, and is used as `process.stdout` has it.
 */
export function openStandardOutput(): number {
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY
    return fstatSync(1).isFIFO() || isatty(1) ? openSync('/proc/self/fd/1', flags) : 1
  } catch {
    return 1
  }
}
