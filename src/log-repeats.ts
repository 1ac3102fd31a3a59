import { currentOrigin } from './origin.ts'

/** What a process has said so far. */
export interface LogFigures {
  /** Lines by level. */
  lines: Record<string, number>
  /** Warnings and errors that were not written. */
  withheld: number
  /** Lines that could not be written (log-destination.ts). */
  lost: number
}

/** Of the same line so many are written at once; then one in so many milliseconds, with how many it stands for. */
const burst = 5
const window = 10_000
/** Different lines that are remembered; the oldest is forgotten. */
const mostRemembered = 500

/** As pino has them: from here on a line says that something is wrong, and from there on that the process ends. */
const warning = 40
const fatal = 60

/** As much of pino's logger as is asked here. */
interface Writer {
  levels: { labels: Record<number, string> }
}

type Write = (this: Writer, ...given: unknown[]) => void

interface Said {
  lines: number
  withheld: number
  /** When it was said last, written or not, also by itself; of `performance.now()`. */
  last: number
  timer?: NodeJS.Timeout
  /** Writes it once more. */
  again(): void
}

/**
 * Keeps what goes wrong again and again from filling the log: a store that is away is told of twice a second by whoever
 * asks for it. Lines of a request are all written, as somebody may ask for each by its id.
 * @returns what pino calls for each line that its level lets through
 */
export function limitRepeats(figures: LogFigures) {
  const known = new Map<string, Said>()

  function forget(key: string, said: Said): void {
    clearInterval(said.timer)
    known.delete(key)
    if (said.withheld > 0) said.again()
  }

  /** @returns what was said so, lately */
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

/** What two lines have in common that say the same; where an error was thrown does not matter. */
function keyOf(given: unknown[]): string {
  try {
    return JSON.stringify(given, (_member, value: unknown) =>
      value instanceof Error ? `${value.name}: ${value.message}` : value,
    ).slice(0, 2000)
  } catch {
    return given.filter((each) => typeof each === 'string').join(' ')
  }
}
