import { equalInConstantTime, newHandle } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { IssuerContext } from './capabilities.ts'

/** What clients poll for until a person has decided: device codes (RFC 8628), CIBA requests. */
export type PolledModel = 'DeviceCode' | 'BackchannelAuthenticationRequest'

/** Seconds between two polls (RFC 8628 §3.2, CIBA §7.3), and those that each early poll adds (RFC 8628 §3.5). */
export const pollInterval = 5
const pollPenalty = 5
/** Milliseconds by which a poll may be early: timers round down, and clocks differ. */
const pollTolerance = 500

const handleLength = 43
const purposes = { DeviceCode: 'device-code', BackchannelAuthenticationRequest: 'auth-req-id' }

const macOf = (model: PolledModel, sealer: Sealer, handle: string) =>
  sealer.mac(purposes[model], handle).slice(0, 22)

/** 256 random bits and a MAC, which distinguishes an expired handle from an invented one. */
export function newPolledHandle(model: PolledModel, sealer: Sealer): string {
  const handle = newHandle()
  return handle + macOf(model, sealer, handle)
}

export function isPolledHandle(model: PolledModel, sealer: Sealer, code: string): boolean {
  const handle = code.slice(0, handleLength)
  return equalInConstantTime(code.slice(handleLength), macOf(model, sealer, handle))
}

interface Poll {
  /** Milliseconds since the epoch. */
  at: number
  /** Seconds. */
  interval: number
}

/**
 * Counts polls while nobody has decided.
 * @param ttl seconds that the count is kept
 * @returns whether the poll came too soon
 */
export function createPolling(
  model: PolledModel,
  { tenant, shortLived, clock }: Pick<IssuerContext, 'tenant' | 'shortLived' | 'clock'>,
): (hash: string, ttl: number) => Promise<boolean> {
  return async (hash, ttl) => {
    const key = { tenant, model: `${model}.poll`, id: hash }
    const now = clock.now()
    const last = (await shortLived.get(key)) as Poll | undefined
    const interval = last?.interval ?? pollInterval
    const tooSoon = last !== undefined && now - last.at < interval * 1000 - pollTolerance
    const next: Poll = { at: now, interval: tooSoon ? interval + pollPenalty : interval }
    await shortLived.put(key, next, ttl)
    return tooSoon
  }
}
