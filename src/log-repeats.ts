import { currentOrigin } from './origin.ts'

/** What a process has logged so far. */
export interface LogFigures {
  /** Lines by level. */
  lines: Record<string, number>
  /** Warnings and errors that were not written. */
  withheld: number
  /** Lines that could not be written (log-destination.ts). */
  lost: number
}

/** The number of equal lines written at once; further ones are written at intervals, with their number. */
const burst = 5
const window = 10_000
/** The maximum number of different lines remembered; the oldest is dropped. */
const mostRemembered = 500

/** Levels of pino: from `warning` on, a line reports a fault; from `fatal` on, the process ends. */
const warning = 40
const fatal = 60

/** The part of pino's logger that is used here. */
interface Writer {
  levels: { labels: Record<number, string> }
}

type Write = (this: Writer, ...given: unknown[]) => void

interface Said {
  lines: number
  withheld: number
  /** When the line was last logged, written or not; by `performance.now()`. */
  last: number
  timer?: NodeJS.Timeout
  /** Writes the line again. */
  again(): void
}

/**
 * Keeps repeated faults from filling the log: while a store is down, every caller reports it twice a second. Lines of a
 * request are all written, as somebody may look for each by its id.
 * @returns the hook that pino calls for each line at an enabled level
 */
export function limitRepeats(figures: LogFigures) {
  const known = new Map<string, Said>()

  function forget(key: string, said: Said): void {
    clearInterval(said.timer)
    known.delete(key)
    if (said.withheld > 0) said.again()
  }

  /** @returns the recent record of an equal line */
  function recall(key: string): Said {
    const said = known.get(key)
    if (said && !isQuiet(said)) return said
    if (said) forget(key, said)
    return remember(key)
  }

  function remember(key: string): Said {
    const [oldest] = known.size >= mostRemembered ? known : []
    if (oldest) forget(...oldest)
    const said: Said = { lines: 0, withheld: 0, last: performance.now(), again: () => undefined }
    said.timer = setInterval(() => {
      if (said.withheld > 0) {
        said.again()
        said.withheld = 0
        said.last = performance.now()
      } else if (isQuiet(said)) forget(key, said)
    }, window).unref()
    known.set(key, said)
    return said
  }

  return function log(this: Writer, given: unknown[], write: Write, level: number): void {
    const name = this.levels.labels[level] ?? String(level)
    const isRepeatable = level >= warning && level < fatal && !isOfRequest(given[0])
    const key = isRepeatable ? `${name} ${keyOf(given)}` : ''
    const said = isRepeatable ? recall(key) : undefined
    if (said) said.last = performance.now()
    if (said && said.lines >= burst) {
      said.withheld++
      figures.withheld++
      said.again = () => {
        const [first, ...rest] = given
        const repeated = { repeated: said.withheld }
        figures.lines[name] = (figures.lines[name] ?? 0) + 1
        if (typeof first === 'string') write.call(this, repeated, first, ...rest)
        else write.call(this, { ...membersOf(first), ...repeated }, ...rest)
      }
      return
    }
    if (said) said.lines++
    figures.lines[name] = (figures.lines[name] ?? 0) + 1
    write.apply(this, given)
  }
}

const isQuiet = ({ last }: Said) => performance.now() - last >= window

function membersOf(given: unknown): object {
  return given instanceof Error ? { err: given } : (given as object)
}

function isOfRequest(given: unknown): boolean {
  if (currentOrigin().requestId !== undefined) return true
  return typeof given === 'object' && given !== null && 'request_id' in given
}

/** What equal lines have in common; where an error was thrown does not matter. */
function keyOf(given: unknown[]): string {
  try {
    return JSON.stringify(given, (_member, value: unknown) =>
      value instanceof Error ? `${value.name}: ${value.message}` : value,
    ).slice(0, 2000)
  } catch {
    return given.filter((each) => typeof each === 'string').join(' ')
  }
}
