import { addressPattern, withoutQuery } from './spelling.ts'

/** The label of all unknown paths: callers can make up any number of them. */
export const unmatched = 'unmatched'

/**
 * The label of requests in metrics: the template of the path, never a value in its place.
 * @param addresses all paths, in which `:name` stands for one segment
 * @returns a function from a URL to its template
 */
export function createRouteNames(addresses: readonly string[]): (url: string) => string {
  const exact = new Set(addresses.filter((address) => !address.includes(':')))
  const patterns = addresses
    .filter((address) => address.includes(':'))
    .map((address) => [addressPattern(address), address] as const)
  return (url) => {
    const path = withoutQuery(url)
    if (exact.has(path)) return path
    return patterns.find(([pattern]) => pattern.test(path))?.[1] ?? unmatched
  }
}
