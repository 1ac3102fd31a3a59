import { networkOf } from '../attempts/network.ts'
import { setBounded } from '../bounded-map.ts'
import type { Tally } from '../tallies.ts'

/** Networks that are told apart between two lines, and of how many of them a line tells. */
const mostNetworks = 1000
const mostTold = 5
/** What in ten seconds is fewer is no flood. */
const least = 50

/** Refusals that come too fast to be kept: what was refused, and from where most of it came. */
export function createFlood(): { add(check: string, ip: string | undefined): void; tally: Tally } {
  const byCheck: Record<string, number> = {}
  let byNetwork = new Map<string, number>()
  return {
    add(check, ip) {
      // Some are called as secrets are, whose members the log hides.
      const name = `check.${check}`
      byCheck[name] = (byCheck[name] ?? 0) + 1
      if (ip === undefined) return
      const network = networkOf(ip)
      setBounded(byNetwork, network, (byNetwork.get(network) ?? 0) + 1, mostNetworks)
    },
    tally: {
      level: 'warn',
      message: 'requests are refused in large numbers: by check, and from which networks most',
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
