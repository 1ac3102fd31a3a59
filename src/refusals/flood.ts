import { networkOf } from '../attempts/network.ts'
import { setBounded } from '../bounded-map.ts'
import type { Tally } from '../tallies.ts'

/** Most networks counted separately between two log lines, and most networks in one line. */
const mostNetworks = 1000
const mostTold = 5
/** Fewer refusals in ten seconds are no flood. */
const least = 50

/** Counts refusals that come too fast to be stored: by check, and by network. */
export function createFlood(): { add(check: string, ip: string | undefined): void; tally: Tally } {
  const byCheck: Record<string, number> = {}
  let byNetwork = new Map<string, number>()
  return {
    add(check, ip) {
      // A prefix, as some checks have names that the log redacts as secrets.
      const name = `check.${check}`
      byCheck[name] = (byCheck[name] ?? 0) + 1
      if (ip === undefined) return
      const network = networkOf(ip)
      setBounded(byNetwork, network, (byNetwork.get(network) ?? 0) + 1, mostNetworks)
    },
    tally: {
      level: 'warn',
      message:
        'requests are refused in large numbers: counts by check, and the networks with the most',
      least,
      read: () => ({ ...byCheck }),
      beside() {
        const sorted = [...byNetwork].toSorted(([, a], [, b]) => b - a)
        byNetwork = new Map()
        return { networks: sorted.length, most_from: Object.fromEntries(sorted.slice(0, mostTold)) }
      },
    },
  }
}
