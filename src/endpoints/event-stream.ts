import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { waits } from '../http/admission.ts'

/** An answer of server-sent events (WHATWG HTML §9.2). */
export interface EventStream {
  /** Whether the sent events have left this process. */
  isReady(): boolean
  /** Sends an event; the first one begins the answer. @param data one line */
  send(event: string, id: string, data: string): void
  end(): void
  /** Calls back when the stream has ended, at either side. */
  onEnd(ended: () => void): void
}

/** Milliseconds after which a reader reconnects, plus up to as many at random. */
const retry = 1000

/**
 * @param until milliseconds after which the stream ends
 * @param closed called when it has ended
 */
export function sendEvents(
  ctx: Context,
  { until, closed }: { until: number; closed: () => void },
): EventStream {
  const { res } = ctx
  const ends = [closed]
  let isOver = false

  const timer = setTimeout(() => res.end(), Math.max(0, until))
  function finish(): void {
    isOver = true
    clearTimeout(timer)
    for (const ended of ends) ended()
  }
  // If the reader left during the checks, `close` was emitted already and will not come again.
  if (res.closed || res.destroyed) finish()
  else res.once('close', finish)

  function begin(): void {
    ctx.respond = false
    ctx.status = 200
    ctx.set('Content-Type', 'text/event-stream')
    // Proxies must neither store nor buffer it.
    ctx.set('Cache-Control', 'no-store')
    ctx.set('X-Accel-Buffering', 'no')
    res.flushHeaders()
    res.emit(waits)
    res.write(`retry: ${Math.round(retry * (1 + Math.random()))}\n\n`)
  }

  return {
    isReady: () => !res.writableNeedDrain,
    send(event, id, data) {
      if (isOver) return
      if (!res.headersSent) begin()
      res.write(`event: ${event}\nid: ${id}\ndata: ${data}\n\n`)
    },
    end: () => void res.end(),
    onEnd(ended) {
      if (isOver) ended()
      else ends.push(ended)
    },
  }
}

/** Limits the open streams of each client. */
export interface OpenStreams {
  /** @throws DomainError `too_many_requests` when this client has too many */
  take(whose: string): { leave(): void }
}

/** @param most streams of each client */
export function createOpenStreams(most: number): OpenStreams {
  const open = new Map<string, number>()
  return {
    take(whose) {
      const count = (open.get(whose) ?? 0) + 1
      if (count > most) {
        throw new DomainError('too_many_requests', {
          detail: { expected: `at most ${most} streams per client and node` },
          retryAfter: 10,
        })
      }
      open.set(whose, count)
      let isHere = true
      return {
        leave() {
          if (!isHere) return
          isHere = false
          const left = (open.get(whose) ?? 1) - 1
          if (left > 0) open.set(whose, left)
          else open.delete(whose)
        },
      }
    },
  }
}
