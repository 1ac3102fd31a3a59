import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { waits } from '../http/admission.ts'

/** Server-sent events (WHATWG HTML §9.2), as one answer. */
export interface EventStream {
  /** Whether what was sent has left this process. */
  isReady(): boolean
  /** The answer begins with the first. @param data one line */
  send(event: string, id: string, data: string): void
  end(): void
  /** Calls back when it is over, whoever ended it. */
  onEnd(ended: () => void): void
}

/** Seconds after which a reader that lost the connection is to come again, less by chance. */
const retry = 1000

/**
 * @param until milliseconds after which it ends
 * @param closed called when it is over
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
  // A reader that left while it was still checked: `close` has been, and comes no second time.
  if (res.closed || res.destroyed) finish()
  else res.once('close', finish)

  function begin(): void {
    ctx.respond = false
    ctx.status = 200
    ctx.set('Content-Type', 'text/event-stream')
    // Proxies must neither keep it nor wait for more.
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

/** Places for streams that stay open. */
export interface OpenStreams {
  /** @throws DomainError `too_many_requests` when this one has as many as it may */
  take(whose: string): { leave(): void }
}

/** @param most of each */
export function createOpenStreams(most: number): OpenStreams {
  const open = new Map<string, number>()
  return {
    take(whose) {
      const count = (open.get(whose) ?? 0) + 1
      if (count > most) {
        throw new DomainError('too_many_requests', {
          detail: { expected: `at most ${most} streams of one client at this node` },
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
