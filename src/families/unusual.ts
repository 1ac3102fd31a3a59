import { networkOf } from '../attempts/network.ts'
import type { Presenter } from './replay.ts'

/**
 * Unusual refreshes of a family that deserve a look. None is refused: a faulty client does the same as a thief, and
 * presenting a token twice ends the family anyway.
 *
 * | finding                     | when                                                                               |
 * |-----------------------------|------------------------------------------------------------------------------------|
 * | family.refreshed_rapidly    | more than 10 rotations within a minute                                             |
 * | family.network_changed      | from a network that no step of the time line came from                             |
 * | family.networks_alternated  | back in a network within 10 minutes of leaving it, both of the same version of IP  |
 *
 * An access token lives for minutes, so a working client refreshes a few times an hour, with several tabs a few times
 * at once; replayed answers are no rotations. A device with IPv4 and IPv6 alternates between them. The network of a
 * client that authenticates is that of its servers, which says nothing about a person.
 */
export const findings = [
  'family.refreshed_rapidly',
  'family.network_changed',
  'family.networks_alternated',
] as const

export type FamilyFinding = (typeof findings)[number]

export interface Finding {
  type: FamilyFinding
  /** Who made the request that showed it. */
  by: Presenter
  detail: Record<string, unknown>
}

/** A token of the time line that was issued; `at` in milliseconds since the epoch. */
export interface Issued extends Presenter {
  at: number
  /** Absent for the first of a family. */
  rotated: boolean
}

export interface Recent {
  /** The addresses of all steps before the recent ones, the last one last. */
  known: readonly string[]
  /** Oldest first; reaches back `alternationSpan` before the last look. */
  recent: readonly Issued[]
  /** Whether the client is public: then who refreshes is the device of a person. */
  isPublic: boolean
}

export const mostInAMinute = 10
const minute = 60_000
/** Milliseconds. */
export const alternationSpan = 10 * minute

/** @param since milliseconds since the epoch; steps up to then were examined before */
export function unusualIn({ known, recent, isPublic }: Recent, since: number): Finding[] {
  const rapid = rapidIn(recent, since)
  const moved = isPublic ? [changeIn(known, recent, since), alternationIn(recent, since)] : []
  return [rapid, ...moved].filter((finding) => finding !== undefined)
}

const byOf = ({ ip, userAgent }: Issued): Presenter => ({ ip, userAgent })

function rapidIn(recent: readonly Issued[], since: number): Finding | undefined {
  const rotations = recent.filter(({ rotated }) => rotated)
  for (const [index, step] of rotations.entries()) {
    const first = rotations[index - mostInAMinute]
    if (step.at <= since || first === undefined || step.at - first.at > minute) continue
    const seconds = Math.round((step.at - first.at) / 1000)
    return {
      type: 'family.refreshed_rapidly',
      by: byOf(step),
      detail: { refreshes: mostInAMinute + 1, within_seconds: seconds },
    }
  }
  return undefined
}

function changeIn(
  before: readonly string[],
  recent: readonly Issued[],
  since: number,
): Finding | undefined {
  const known = new Set(before.map(networkOf))
  let last = before.map(networkOf).at(-1)
  for (const step of recent) {
    if (step.ip === undefined) continue
    const network = networkOf(step.ip)
    if (step.at > since && known.size > 0 && !known.has(network)) {
      return {
        type: 'family.network_changed',
        by: byOf(step),
        detail: { from: last, to: network },
      }
    }
    known.add(network)
    last = network
  }
  return undefined
}

/** Where one version of IP was used: the network, and when last. */
interface Stay {
  network: string
  until: number
}

function alternationIn(recent: readonly Issued[], since: number): Finding | undefined {
  for (const version of [':', '.']) {
    const stays: Stay[] = []
    for (const step of recent) {
      if (!step.ip?.includes(version)) continue
      const network = networkOf(step.ip)
      const [left, here] = [stays.at(-2), stays.at(-1)]
      if (here?.network === network) {
        here.until = step.at
        continue
      }
      const isBack = left?.network === network && step.at - left.until <= alternationSpan
      if (isBack && step.at > since) {
        return {
          type: 'family.networks_alternated',
          by: byOf(step),
          detail: { networks: [network, here?.network] },
        }
      }
      stays.push({ network, until: step.at })
    }
  }
  return undefined
}
