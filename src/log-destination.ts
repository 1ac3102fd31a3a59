import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** The number of lines that could not be written so far. */
export interface Losses {
  lost: number
}

/** The destination of finished lines. */
export interface LogDestination {
  write(line: string): void
  /** Writes buffered lines, as far as possible without waiting. */
  flushSync(): void
}

const newline = Buffer.from('\n')
/** Bytes that are buffered for a slow reader; beyond, lines are lost. */
const mostWaiting = 1_048_576
/**
 * Milliseconds between two attempts to write the buffer: each fills a pipe, so that a fast reader gets 32 MB in a
 * second.
 */
const pause = 2
/** Milliseconds that the end of the process may wait for the reader. */
const lastPatience = 500

/**
 * Writes lines to a descriptor without ever blocking or failing: the log must not end the process that it describes.
 * (The destination of pino waits for a full disk for ever when it logs a fatal error.)
 *
 * | event                                      | the line                                                          |
 * |--------------------------------------------|-------------------------------------------------------------------|
 * | none                                       | is written when `write` returns                                   |
 * | the reader of a pipe is slow (EAGAIN)      | is buffered; lost when a mebibyte is buffered already             |
 * | no space, or the reader is gone (ENOSPC, EPIPE) | is lost; the next one is tried again                         |
 * | the same, or a full buffer, within a line  | is lost, and the next one begins on a new line                    |
 *
 * @param fd a file, or a descriptor that answers EAGAIN instead of blocking
 * @param losses counts lost lines
 * @param tell reports how many lines were lost, as soon as something is written again
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
  /** Whether the last write ended within a line. */
  let isWithinLine = false
  /** Whether the first buffered line continues that line. */
  let isBegun = false

  function lose(why: string): void {
    losses.lost++
    untold++
    reason = why
  }

  /**
   * @param goesOn whether the bytes continue the line that was written last
   * @returns the rest, which must be buffered
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

  /** @returns whether the buffer has room */
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
    // The line about lost lines may be lost itself.
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
 * Standard output that never blocks. A pipe is opened again: non-blocking mode belongs to the open file description,
 * and a process that ends (a worker, say) resets it for all that share the description. So is a terminal, where Ctrl-S
 * would block writers. A socket cannot be opened again, and is used as `process.stdout` has it.
 */
export function openStandardOutput(): number {
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY
    return fstatSync(1).isFIFO() || isatty(1) ? openSync('/proc/self/fd/1', flags) : 1
  } catch {
    return 1
  }
}
