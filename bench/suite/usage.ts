/** An invalid command line; the message is one line with what was expected and what was given. */
export class UsageError extends Error {}

/** Whether an error is about the command line, including errors of `parseArgs`. */
export function isUsageError(error: unknown): error is Error {
  const { code } = error as { code?: unknown }
  return (
    error instanceof UsageError || (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS'))
  )
}

/** @throws UsageError unless the text is a number of at least `least`, or above 0 */
export function numberIn(name: string, given: string, least?: number): number {
  const number = given.trim() === '' ? Number.NaN : Number(given)
  if (Number.isFinite(number) && (least === undefined ? number > 0 : number >= least)) return number
  const range = least === undefined ? 'above 0' : `of at least ${least}`
  throw new UsageError(`${name}: expected a number ${range}, got ${JSON.stringify(given)}`)
}

/** The number after the name of a benchmark. @throws UsageError for any other argument */
export function argument(name: string, byDefault: number): number {
  return numberIn(name, process.argv[3] ?? String(byDefault))
}

/** @throws UsageError for an unknown name */
export function namesIn(what: string, given: string[], known: string[]): string[] {
  const unknown = given.find((name) => !known.includes(name))
  if (unknown === undefined) return given
  throw new UsageError(`expected ${what} among ${known.join(', ')}, got ${JSON.stringify(unknown)}`)
}

/** @param cases protocol cases @param others names of the other benchmarks */
export function usage(cases: string[], others: string[]): string {
  return `Usage: npm run bench -- [case …] [options]
       npm run bench -- <benchmark> [options]

Measures protocol cases (all by default) beside the protocol engine alone; asserts nothing.

Cases: ${cases.join(', ')}
  --blocks N           blocks per server and case, alternating (5)
  --length N           milliseconds of a block (1000)
  --connections N      callers of the closed loop (8)
  --warm-up N          answers before the measurement starts (3000)
  --json FILE          write all results to FILE
  --plot FILE          write an SVG of answers per second against latency to FILE
  --profile FOLDER     write a CPU profile of our server to FOLDER
  --statements         print the statements sent to Postgres and Redis
  --target T           another server: an issuer, or a JSON file that describes one; may be repeated
  --alone              measure only the targets
  for a target that is an issuer:
  --client ID  --secret TEXT  --redirect-uri URI  --scope TEXT  --resource URI
  --cookie TEXT  --refresh-token TEXT  --access-token TEXT    (may be repeated)
  --pid N              its first process on this machine, for processor time

Benchmarks: ${others.join(', ')}
  overload [case …]    --rounds N (5) --times N (5, of the peak) --seconds N (4) --patience N (2, seconds)
                       --workers N (1) --profile FOLDER --together --fresh
  growth               --rows N (10, 10000, 1000000; may be repeated) --blocks N (4) --length N (800 ms)
                       --case NAME --keep FOLDER
  sign-in-timing [samples] (300)
                       --page NAME --kind NAME (all; may be repeated)
  keys [minutes] (4)   login-flood [per second] (300)   verifier [rounds] (5)

docs/performance.md describes the method and how to read the results.`
}
