import { isDeepStrictEqual } from 'node:util'
import type { Context, Middleware } from 'koa'
import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { readJson } from '../http/body.ts'
import { challenge } from '../http/challenge.ts'
import { checked, invalidRequest, readQuery } from '../http/checked.ts'
import { addressPattern } from '../http/spelling.ts'
import { type ApiParts, createTokenCheck } from '../oidc/presented-token.ts'
import { routes } from '../oidc/routes.ts'
import { present } from '../present.ts'
import { signalScopes, signalsPath } from '../resources/revocations-resource.ts'
import { supportedEvents } from '../signals/signal.ts'
import {
  declarationOf,
  delivered,
  minVerificationInterval,
  poll,
  push,
  type SignalStream,
  statuses,
  streamDeclaration,
} from '../signals/stream.ts'
import { assertReceiver, type SignalCall, streamOf } from './signal-caller.ts'
import { createSignalPoll } from './signal-poll.ts'

const signalsWellKnown = '/.well-known/ssf-configuration'
const streams = `${signalsPath}/streams`
const status = `${signalsPath}/status`
const verify = `${signalsPath}/verify`
const pollAt = `${signalsPath}/poll/:id`

export const signalsMethods = {
  [signalsWellKnown]: ['GET', 'HEAD'],
  [streams]: ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'],
  [status]: ['GET', 'POST'],
  [verify]: ['POST'],
  [pollAt]: ['POST'],
}

const named = z.object({ stream_id: z.string().max(100).optional() })
const namedInBody = z.object({ stream_id: z.string().max(100) })
const statusChange = namedInBody.extend({
  status: z.enum(statuses),
  reason: z.string().max(500).optional(),
})
const verificationRequest = namedInBody.extend({ state: z.string().max(1000).optional() })

/** The transmitter of the Shared Signals Framework (docs/shared-signals.md). */
export function signalRoutes(parts: ApiParts): Middleware {
  const { context } = parts
  const { tenant, issuer, config, limiter, signals } = context
  const checkToken = createTokenCheck(parts, {
    endpoint: 'ssf',
    audience: issuer + signalsPath,
    limit: 'feed_network',
  })
  const answerPoll = createSignalPoll(context)
  const pollPattern = addressPattern(pollAt)

  /** @param accepted scopes, any of which is enough */
  async function callerIn(ctx: Context, ...accepted: string[]): Promise<SignalCall> {
    const { clientId, scopes } = await checkToken(ctx)
    await limiter.take(tenant, { limit: 'feed_client', subject: clientId })
    if (!accepted.some((scope) => scopes.has(scope))) {
      throw new DomainError('scope_insufficient', { detail: { expected: accepted[0] } })
    }
    await assertReceiver(context, clientId)
    return { ctx, clientId }
  }

  /** A stream's configuration (SSF 1.0 §8.1.1), without the authorization of pushes. */
  async function shown(stream: SignalStream) {
    const { delivery } = stream
    const audience = await signals.audienceOf(tenant, stream.clientId)
    return {
      stream_id: stream.id,
      iss: issuer,
      aud: audience.length === 1 ? audience[0] : audience,
      events_supported: supportedEvents,
      events_requested: stream.eventsRequested,
      events_delivered: delivered(stream),
      delivery:
        delivery.method === 'push'
          ? { method: push, endpoint_url: delivery.endpointUrl }
          : { method: poll, endpoint_url: `${issuer}${pollAt.replace(':id', stream.id)}` },
      min_verification_interval: minVerificationInterval,
      ...present({ description: stream.description }),
    }
  }

  const statusOf = ({ id, status: current, reason }: SignalStream) => ({
    stream_id: id,
    status: current,
    ...present({ reason }),
  })

  const body = (ctx: Context) => readJson(ctx, config.bodyLimit)
  const idIn = (ctx: Context) => checked(named, readQuery(ctx)).stream_id

  /**
   * Refuses changed values of transmitter-supplied members, which may only be sent back unchanged (SSF 1.0 §8.1.1.3).
   */
  function assertOurs(sent: Record<string, unknown>, ours: Record<string, unknown>): void {
    const names = [
      'iss',
      'aud',
      'events_supported',
      'events_delivered',
      'min_verification_interval',
    ]
    const faults = names
      .filter((name) => name in sent && !isDeepStrictEqual(sent[name], ours[name]))
      .map((name) => `${name}: expected ${JSON.stringify(ours[name])} or no value`)
    if (faults.length > 0) throw invalidRequest(...faults)
  }

  async function change(call: SignalCall, kind: 'PATCH' | 'PUT') {
    const sent = await body(call.ctx)
    const stream = await streamOf(context, call, checked(namedInBody, sent).stream_id)
    const ours: Record<string, unknown> = await shown(stream)
    assertOurs(sent as Record<string, unknown>, ours)
    const declared = checked(
      streamDeclaration,
      kind === 'PATCH' ? { ...declarationOf(stream), ...(sent as object) } : sent,
    )
    return shown(await signals.replace(tenant, stream, declared))
  }

  const streamRoutes: Record<string, (call: SignalCall) => Promise<unknown>> = {
    async GET(call) {
      const id = idIn(call.ctx)
      if (id !== undefined) return shown(await streamOf(context, call, id))
      const stream = await signals.of(tenant, call.clientId)
      return stream ? [await shown(stream)] : []
    },
    async POST({ ctx, clientId }) {
      const declared = checked(streamDeclaration, await body(ctx))
      const stream = await signals.create(tenant, clientId, declared)
      ctx.status = 201
      return shown(stream)
    },
    PATCH: (call) => change(call, 'PATCH'),
    PUT: (call) => change(call, 'PUT'),
    async DELETE(call) {
      const stream = await streamOf(context, call, idIn(call.ctx))
      await signals.delete(tenant, stream.id)
      call.ctx.status = 204
      return undefined
    },
  }

  async function answerStatus(call: SignalCall) {
    if (call.ctx.method === 'GET') return statusOf(await streamOf(context, call, idIn(call.ctx)))
    const wanted = checked(statusChange, await body(call.ctx))
    const stream = await streamOf(context, call, wanted.stream_id)
    return statusOf(await signals.setStatus(tenant, stream, wanted.status, wanted.reason))
  }

  async function answerVerify(call: SignalCall) {
    const { stream_id: id, state } = checked(verificationRequest, await body(call.ctx))
    await signals.verify(tenant, await streamOf(context, call, id), state)
    call.ctx.status = 204
    return undefined
  }

  /** SSF 1.0 §7.1. */
  const metadata = {
    spec_version: '1_0',
    issuer,
    jwks_uri: issuer + routes.jwks,
    delivery_methods_supported: [push, poll],
    configuration_endpoint: issuer + streams,
    status_endpoint: issuer + status,
    verification_endpoint: issuer + verify,
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
    default_subjects: 'ALL',
  }

  async function answer(ctx: Context): Promise<void> {
    const { manage, read } = signalScopes
    const [, pollId] = pollPattern.test(ctx.path) ? (/([^/]+)$/.exec(ctx.path) ?? []) : []
    // The manage scope may read configurations, but no events (CAEP Interop 1.0 §2.7.2).
    const accepted =
      pollId !== undefined ? [read] : ctx.method === 'GET' ? [read, manage] : [manage]
    const call = await callerIn(ctx, ...accepted)
    const said = await (pollId !== undefined
      ? answerPoll(call, pollId)
      : ctx.path === status
        ? answerStatus(call)
        : ctx.path === verify
          ? answerVerify(call)
          : streamRoutes[ctx.method]?.(call))
    if (said !== undefined) ctx.body = said
  }

  return async (ctx, next) => {
    if (ctx.path === signalsWellKnown) {
      ctx.set('Cache-Control', `public, max-age=${config.jwksMaxAge}`)
      ctx.set('Access-Control-Allow-Origin', '*')
      ctx.body = metadata
      return
    }
    if (![streams, status, verify].includes(ctx.path) && !pollPattern.test(ctx.path)) {
      await next()
      return
    }
    // Only programs call these paths.
    ctx.headers.accept = 'application/json'
    try {
      await answer(ctx)
    } catch (error) {
      challenge(ctx, error, { realm: 'ssf' })
      throw error
    }
  }
}
