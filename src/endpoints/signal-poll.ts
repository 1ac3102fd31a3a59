import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { waits } from '../http/admission.ts'
import { readJson } from '../http/body.ts'
import { checked } from '../http/checked.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import type { SignalStream } from '../signals/stream.ts'
import { createOpenStreams } from './event-stream.ts'
import { assertReceiver, type SignalCall, streamOf } from './signal-caller.ts'

/** Milliseconds that a poll waits for an event, and between two looks. */
const longestPoll = 20_000
const lookEvery = 500
const openPolls = createOpenStreams(10)
/** Most event tokens in one answer. */
const mostAtOnce = 100
/** Most refused event tokens of one request that are logged, and characters of each description. */
const mostTold = 5
const longestTold = 200

/** RFC 8936 §2.2. */
const pollRequest = z.object({
  maxEvents: z.int().min(0).optional(),
  returnImmediately: z.boolean().default(false),
  ack: z.array(z.string().max(100)).max(10_000).default([]),
  setErrs: z
    .record(
      z.string().max(100),
      z.object({ err: z.string().max(200), description: z.string().max(2000).optional() }),
    )
    .default({}),
})

/** Poll-based delivery of event tokens (RFC 8936 §2). @returns the body of the answer */
export function createSignalPoll(context: IssuerContext) {
  const { tenant, config, signals, log } = context

  async function pollOf(call: SignalCall, id: string) {
    const asked = checked(pollRequest, await readJson(call.ctx, config.bodyLimit))
    const stream = await streamOf(context, call, id)
    if (stream.delivery.method !== 'poll') throw new DomainError('not_found')
    const refused = Object.entries(asked.setErrs)
    if (refused.length > 0) {
      const first = refused.slice(0, mostTold).map(([jti, { err, description }]) => {
        return { jti, err, description: description?.slice(0, longestTold) }
      })
      const line = { tenant, stream: id, refused: refused.length, first }
      log.warn(line, 'a receiver refused event tokens')
    }
    await signals.acknowledge(tenant, stream, [...asked.ack, ...Object.keys(asked.setErrs)])
    const most = Math.min(asked.maxEvents ?? mostAtOnce, mostAtOnce)
    const { sets, more } = await waitFor(call, stream, most, asked.returnImmediately)
    return { sets, ...(more ? { moreAvailable: true } : {}) }
  }

  async function waitFor(call: SignalCall, stream: SignalStream, most: number, atOnce: boolean) {
    let found = await signals.fetch(tenant, stream, most)
    if (atOnce || most === 0 || Object.keys(found.sets).length > 0) return found
    const until = performance.now() + longestPoll
    call.ctx.res.emit(waits)
    while (Object.keys(found.sets).length === 0 && performance.now() < until) {
      await pause(lookEvery)
      if (call.ctx.res.destroyed) break
      const current = await signals.of(tenant, call.clientId)
      if (current?.id !== stream.id) break
      await assertReceiver(context, call.clientId)
      found = await signals.fetch(tenant, current, most)
    }
    return found
  }

  return async (call: SignalCall, id: string) => {
    // Even for a poll that does not wait: signing the event tokens takes time.
    const place = openPolls.take(JSON.stringify([tenant, call.clientId]))
    try {
      return await pollOf(call, id)
    } finally {
      place.leave()
    }
  }
}
