import type { Requests } from '../requests.ts'
import type { Connection } from './feed.ts'

const largest = 64 * 1024 * 1024

/** Polls the changes since the last document. */
export function createPoll(requests: Requests, timeout: number) {
  let etag: string | undefined
  let of: string | undefined

  /** @throws Error when no acceptable answer came */
  return async ({ endpoint, token, cursor, receive, signal }: Connection): Promise<void> => {
    const { href } = endpoint
    const headers: Record<string, string> = {
      Authorization: `Bearer ${token}`,
      Accept: 'application/revocations+jwt',
    }
    // Only valid for the same request.
    if (etag !== undefined && of === cursor) headers['If-None-Match'] = etag
    const {
      status,
      headers: told,
      body,
    } = await requests.ask(href, { headers, signal }, { timeout, largest })
    if (status === 304) return
    if (status !== 200) throw new FeedAnswer(status, told.get('Retry-After'))
    await receive(new TextDecoder().decode(body))
    etag = told.get('ETag') ?? undefined
    of = cursor
  }
}

/** The issuer answered with an error. */
export class FeedAnswer extends Error {
  readonly status: number
  /** `Retry-After`, in milliseconds. */
  readonly retryAfter: number

  constructor(status: number, retryAfter: string | null) {
    super(`the revocation feed answered ${status}`)
    this.status = status
    this.retryAfter = Math.min(Number(retryAfter ?? 0) * 1000 || 0, 30_000)
  }
}
