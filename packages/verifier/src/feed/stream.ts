import type { Requests } from '../requests.ts'
import { createEventParser } from './event-stream.ts'
import type { Connection } from './feed.ts'
import { FeedAnswer } from './poll.ts'

/** Milliseconds of silence after which a connection counts as dead: two and a half heartbeats. */
const silence = 25_000
/** Most characters of one event. */
const longest = 64 * 1024 * 1024

/**
 * Follows the stream until it ends.
 * @throws Error when it cannot be opened, is silent for too long, or sends an unacceptable document
 */
export async function followStream(
  requests: Requests,
  { endpoint, token, cursor, receive, signal }: Connection,
): Promise<void> {
  const dead = new AbortController()
  let watch = setTimeout(() => dead.abort(new Error('the stream is silent')), silence)
  const headers: Record<string, string> = {
    Authorization: `Bearer ${token}`,
    Accept: 'text/event-stream',
    ...(cursor === undefined ? {} : { 'Last-Event-ID': cursor }),
  }
  try {
    const both = AbortSignal.any([signal, dead.signal])
    const response = await requests.open(endpoint.href, { headers, signal: both })
    if (response.status !== 200 || !response.body) {
      await response.body?.cancel()
      throw new FeedAnswer(response.status, response.headers.get('Retry-After'))
    }
    const parse = createEventParser(longest)
    const reader = response.body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(watch)
      watch = setTimeout(() => dead.abort(new Error('the stream is silent')), silence)
      for (const { type, data } of parse(value)) if (type === 'revocations') await receive(data)
    }
  } finally {
    clearTimeout(watch)
    // However it ended, stop reading.
    dead.abort()
  }
}
