/** What a command line that cannot be obeyed is answered: one line with what was expected and what came. */
export class UsageError extends Error {}

/** Whether an error is about the command line, also one of `parseArgs`. */
export function isUsageError(error: unknown): error is Error {
  const { code } = error as { code?: unknown }
  return (
    error instanceof UsageError || (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS'))
  )
}

/** @throws UsageError unless a number is meant that is at least `least`, or above 0 */
export function numberIn(name: string, given: string, least?: number): number {
  const number = given.trim() === '' ? Number.NaN : Number(given)
  if (Number.isFinite(number) && (least === undefined ? number > 0 : number >= least)) return number
  const range = least === undefined ? 'above 0' : `of at least ${least}`
  throw new UsageError(`${name}: expected a number ${range}, got ${JSON.stringify(given)}`)
}

/** The number after the name of a benchmark. @throws UsageError for another argument */
export function argument(name: string, byDefault: number): number {
  return numberIn(name, process.argv[3] ?? String(byDefault))
}

/** @throws UsageError for a name that is none of those */
export function namesIn(what: string, given: string[], known: string[]): string[] {
  const unknown = given.find((name) => !known.includes(name))
  if (unknown === undefined) return given
  throw new UsageError(`expected ${what} of ${known.join(', ')}, got ${JSON.stringify(unknown)}`)
}

/** @param cases of the protocol @param others files of this folder */
export function usage(cases: string[], others: string[]): string {
  return `Usage: npm run bench -- [case …] [options]
       npm run bench -- <benchmark> [options]

Measures cases of the protocol, all by default, beside the protocol engine alone; asserts nothing.

Cases: ${cases.join(', ')}
  --blocks N           blocks of each server and case, interleaved (5)
  --length N           milliseconds of a block (1000)
  --connections N      callers of the closed loop (8)
  --warm-up N          answers before anything counts (3000)
  --json FILE          write everything there
  --plot FILE          write an SVG of answers per second against latency
  --profile FOLDER     write a CPU profile of our server there
  --statements         print what is said to Postgres and Redis
  --target T           another server: an issuer, or a JSON file that describes one; may come several times
  --alone              measure the targets alone
  of a target that is an issuer:
  --client ID  --secret TEXT  --redirect-uri URI  --scope TEXT  --resource URI
  --cookie TEXT  --refresh-token TEXT  --access-token TEXT    (may come several times)
  --pid N              of its first process here, for processor time

Benchmarks: ${others.join(', ')}
  overload [case …]    --rounds N (5) --times N (5, of the peak) --seconds N (4) --patience N (2, seconds)
                       --workers N (1) --profile FOLDER --together --fresh
  growth               --rows N (10, 10000, 1000000; may come several times) --blocks N (4) --length N (800 ms)
                       --case NAME --keep FOLDER
  sign-in-timing [samples] (300)
                       --page NAME --kind NAME (all; may come several times)
  keys [minutes] (4)   login-flood [per second] (300)   verifier [rounds] (5)

docs/performance.md says how it measures, and how to read it.`
}
