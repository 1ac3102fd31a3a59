import { DomainError } from '../errors.ts'
import { FetchError } from '../outgoing/fault.ts'
import type { OutgoingFetch } from '../outgoing/fetch.ts'

/** A document as fetched. */
export interface FetchedDocument {
  document: unknown
  /** Seconds that it is fresh. */
  maxAge: number
}

/** Bytes (OAuth Client ID Metadata Document §6.6, P-088). */
const largestDocument = 5120
/** Milliseconds for the whole request, name resolution included. */
const patience = 3000
/** Seconds of freshness: the bounds of what a host may ask for, and the default. */
const age = { least: 60, usual: 300, most: 86_400 }

const jsonType = /^application\/(?:json|[\w.+-]+\+json)\s*(?:;|$)/i

/** Whether the host may recover soon; other errors are its definite answer. */
export const isDown = (error: unknown): boolean =>
  error instanceof DomainError && error.code === 'client_document_unavailable'

/**
 * Fetches a client metadata document (§4). The caller has checked the address.
 *
 * | the answer                                             | becomes                       |
 * |--------------------------------------------------------|-------------------------------|
 * | none, not in time, or 5xx or 429                       | `client_document_unavailable` |
 * | not 200, a redirect too (P-084)                        | `client_document_invalid`     |
 * | larger than 5 KiB, compressed, of another type, no JSON | `client_document_invalid`     |
 * | an address that must not be asked (P-087)              | `client_document_invalid`     |
 * @throws DomainError
 */
export async function fetchDocument(fetch: OutgoingFetch, url: string): Promise<FetchedDocument> {
  const answer = await fetch(url, {
    headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    signal: AbortSignal.timeout(patience),
    largest: largestDocument,
  }).catch((error: unknown) => {
    throw error instanceof FetchError ? faultOf(url, error) : error
  })
  if (answer.status >= 500 || answer.status === 429) {
    throw unavailable(url, `the host returned status ${answer.status}`)
  }
  if (answer.status !== 200) throw invalid(url, 'status 200', String(answer.status))
  const type = answer.headers.get('content-type') ?? 'nothing'
  if (!jsonType.test(type)) throw invalid(url, 'content type application/json', type)
  const encoding = answer.headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity') throw invalid(url, 'no content encoding', encoding)
  const text = await answer.text()
  try {
    return { document: JSON.parse(text), maxAge: maxAgeOf(answer.headers) }
  } catch {
    throw invalid(url, 'JSON', `${text.length} characters that are not JSON`)
  }
}

const unavailable = (url: string, reason: string, cause?: unknown) =>
  new DomainError('client_document_unavailable', { detail: { client_id: url, reason }, cause })

export const invalid = (url: string, expected: string, received: string) =>
  new DomainError('client_document_invalid', {
    detail: { client_id: url, expected, received: received.slice(0, 300) },
  })

const spoken: ReadonlySet<string> = new Set(['url_refused', 'address_refused', 'answer_too_large'])

function faultOf(url: string, error: FetchError): DomainError {
  const { code, message } = error
  if (!spoken.has(code)) return unavailable(url, `${code}: ${message}`, error)
  return invalid(url, `a document of at most ${largestDocument} bytes`, `${code}: ${message}`)
}

/** The remaining freshness in seconds, within bounds (RFC 9111 §4.2.1, §5.2.2). */
function maxAgeOf(headers: Headers): number {
  const control = headers.get('cache-control') ?? ''
  const [, seconds] = /(?:^|[,\s])max-age\s*=\s*"?(\d{1,9})/i.exec(control) ?? []
  const isKept = !/(?:^|[,\s])(?:no-store|no-cache)(?:$|[,\s=])/i.test(control)
  const old = Number(headers.get('age') ?? 0) || 0
  const wanted = isKept ? (seconds === undefined ? age.usual : Number(seconds) - old) : 0
  return Math.min(Math.max(wanted, age.least), age.most)
}
