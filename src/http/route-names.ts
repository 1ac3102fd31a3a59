import { addressPattern, withoutQuery } from './spelling.ts'

/** What every address is called that is none of ours: strangers can make up any number of them. */
export const unmatched = 'unmatched'

/**
 * What requests are counted by: the template of an address, never what stands in its place.
 * @param addresses all that there are, in which `:name` stands for one segment
 * @returns the template of the path of a URL
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
