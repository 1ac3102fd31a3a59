import { setBounded } from '../bounded-map.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Limiter, Share } from '../limits/limiter.ts'
import type { Platform } from '../platform.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { membersIn } from './document.ts'
import { fetchDocument, invalid, isDown } from './document-fetch.ts'
import type { Copy } from './documents.store.ts'

/** Client metadata documents in the memory of this process. */
export interface DocumentCopies {
  /**
   * A fresh copy, or the last known one while its host is down.
   * @param known the stored copy of a client that is in use
   * @param about network: charged for fetching the document of a client that nobody uses; absent: it is not fetched
   * @returns undefined where it may not be fetched
   * @throws DomainError `client_document_invalid`, `client_document_unavailable`, `too_many_requests`
   */
  get(
    url: string,
    known: Copy | undefined,
    about: { network: string | undefined },
  ): Promise<Copy | undefined>
}

/** Most copies, each of at most 5 KiB. */
const mostCopies = 1000
/**
 * Most documents that are fetched at a time: in all, for clients that nobody uses yet, and of one host, however slow.
 * The rest of the connections are kept for clients that people have allowed something.
 */
const mostAtOnce = { all: 16, newcomers: 12, host: 3 }
/** Most callers that wait for a running fetch: for one document, and in all. */
const mostWaiting = { one: 32, all: 64 }
/** Milliseconds that a host that is down is not asked again, if a copy stands in. */
const pause = 30_000
/** Most milliseconds that a copy stands in. */
const longestStale = 24 * 3600 * 1000

export function createDocumentCopies({
  clock,
  limiter,
  fetch,
}: Pick<Platform, 'clock' | 'fetch'> & {
  limiter: Limiter
}): DocumentCopies {
  const copies = new Map<string, Copy>()
  const loading = new Map<
    string,
    { host: string; isKnown: boolean; copy: Promise<Copy>; waiting: number }
  >()
  /** The result of the last failed fetch: when the host was down, or an empty object if its answer was refused. */
  const failed = new Map<string, { downAt?: number }>()

  async function load(url: string): Promise<Copy> {
    const { document, maxAge } = await fetchDocument(fetch, url)
    const now = clock.now()
    try {
      const members = membersIn(document, url)
      const copy = { members, fetchedAt: now, freshUntil: now + maxAge * 1000 }
      setBounded(copies, url, copy, mostCopies)
      return copy
    } catch (error) {
      if (!isDomainError(error, 'client_metadata_invalid')) throw error
      throw invalid(url, 'a valid metadata document of this client', error.publicMessage)
    }
  }

  /** Concurrent callers share one fetch; a refused document is not kept (P-086). */
  async function ask(url: string, isKnown: boolean, network: string | undefined): Promise<Copy> {
    const pending = loading.get(url)
    if (pending) {
      const all = [...loading.values()].reduce((sum, { waiting }) => sum + waiting, 0)
      if (pending.waiting >= mostWaiting.one || all >= mostWaiting.all) {
        const { one } = mostWaiting
        throw busy(`at most ${one} requests waiting for one document, ${mostWaiting.all} in total`)
      }
      pending.waiting++
      return pending.copy
    }
    const { host } = new URL(url)
    assertPlace(host, isKnown)
    const copy = fetched(url, isKnown, network).finally(() => loading.delete(url))
    loading.set(url, { host, isKnown, copy, waiting: 0 })
    return copy
  }

  function assertPlace(host: string, isKnown: boolean): void {
    const now = [...loading.values()]
    const hasPlace =
      now.length < mostAtOnce.all &&
      now.filter((each) => each.host === host).length < mostAtOnce.host &&
      (isKnown || now.filter((each) => !each.isKnown).length < mostAtOnce.newcomers)
    if (hasPlace) return
    const { all, newcomers, host: ofHost } = mostAtOnce
    throw busy(
      `at most ${all} documents fetched at a time, ${newcomers} of clients that are not in use yet, ${ofHost} from one host`,
    )
  }

  /** The host limit counts for all tenants together; a successful fetch is not charged to the host. */
  async function fetched(
    url: string,
    isKnown: boolean,
    network: string | undefined,
  ): Promise<Copy> {
    const ofHost: Share = { limit: 'document_host', subject: new URL(url).host }
    const ofNetwork: Share = { limit: 'document_network', subject: network ?? '' }
    await limiter.take(defaultTenant, ...(isKnown ? [] : [ofNetwork, ofHost]), {
      limit: 'document_address',
      subject: url,
    })
    const copy = await load(url)
    if (!isKnown) await limiter.giveBack(defaultTenant, ofHost)
    return copy
  }

  return {
    async get(url, known, { network }) {
      const here = copies.get(url)
      const last =
        here && known ? (here.fetchedAt > known.fetchedAt ? here : known) : (here ?? known)
      if (last && last.freshUntil > clock.now()) return last
      if (!known && network === undefined) return undefined
      const standIn = last && clock.now() - last.fetchedAt < longestStale ? last : undefined
      const { downAt = 0 } = failed.get(url) ?? {}
      if (standIn && clock.now() - downAt < pause) return standIn
      try {
        const copy = await ask(url, known !== undefined, network)
        failed.delete(url)
        return copy
      } catch (error) {
        const isOften = isDomainError(error, 'too_many_requests')
        if (isDown(error)) setBounded(failed, url, { downAt: clock.now() }, mostCopies)
        else if (!isOften) setBounded(failed, url, {}, mostCopies)
        // If its last answer was refused, no copy stands in, however often it is asked.
        const fault = failed.get(url)
        const wasRefused = fault !== undefined && fault.downAt === undefined
        if (standIn && (isDown(error) || (isOften && !wasRefused))) return standIn
        throw error
      }
    },
  }
}

const busy = (expected: string) =>
  new DomainError('too_many_requests', { retryAfter: 1, detail: { expected } })
