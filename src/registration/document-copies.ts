import { setBounded } from '../bounded-map.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Limiter, Share } from '../limits/limiter.ts'
import type { Platform } from '../platform.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { membersIn } from './document.ts'
import { fetchDocument, invalid, isDown } from './document-fetch.ts'
import type { Copy } from './documents.store.ts'

/** Documents in the memory of this process. */
export interface DocumentCopies {
  /**
   * A copy that is fresh, or that is the last one known while the host is down.
   * @param known what is stored of a client that somebody uses
   * @param about network: who has an address asked that nobody uses; absent: it is not asked
   * @returns undefined where it must not be asked
   * @throws DomainError `client_document_invalid`, `client_document_unavailable`, `too_many_requests`
   */
  get(
    url: string,
    known: Copy | undefined,
    about: { network: string | undefined },
  ): Promise<Copy | undefined>
}

/** How many, each of at most 5 KiB. */
const mostCopies = 1000
/**
 * How many documents are fetched at a time: in all, because of clients that nobody uses yet, and of one host, however
 * slow it is. The other connections of this process are for what people have allowed.
 */
const mostAtOnce = { all: 16, newcomers: 12, host: 3 }
/** Those who wait for a document that is fetched already: for one, and in all. More would fill this process. */
const mostWaiting = { one: 32, all: 64 }
/** Milliseconds for which a host that is down is not asked again while a copy stands in for it. */
const pause = 30_000
/** Milliseconds that a copy stands in while the host is down. */
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
  /** What became of the last question: when the host was down, or that its answer was refused. */
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
      throw invalid(url, 'the document of this client', error.publicMessage)
    }
  }

  /** Those who come at once get the same answer; an answer that is refused is not kept (P-086). */
  async function ask(url: string, isKnown: boolean, network: string | undefined): Promise<Copy> {
    const pending = loading.get(url)
    if (pending) {
      const all = [...loading.values()].reduce((sum, { waiting }) => sum + waiting, 0)
      if (pending.waiting >= mostWaiting.one || all >= mostWaiting.all) {
        const { one } = mostWaiting
        throw busy(`at most ${one} who wait for one document, ${mostWaiting.all} in all`)
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
      `at most ${all} documents that are fetched at a time, ${newcomers} of clients that nobody uses yet, ${ofHost} of one host`,
    )
  }

  /** A host is spared whichever tenant it is asked for; one that has the document pays nothing for it. */
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
        // Whose last answer was refused stays refused, however often it is asked.
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
