import type { Conversation } from '../support/postgres-wire.ts'
import type { Link, Relay } from '../support/tcp-proxy.ts'

export type Store = 'postgres' | 'redis'

/** The n-th statement or command with this text that a request sends. Text and number find it again in another run. */
export interface Point {
  readonly store: Store
  readonly text: string
  readonly nth: number
  /** Whether a transaction was open. */
  readonly within: boolean
  /** The number of background writes until then. */
  readonly written: number
}

/** Whether the process dies before the store gets the statement, or after the store has executed it. */
export type Side = 'before' | 'after'

export type Strike = Point & { readonly side: Side }

const readsOnly = /^(select|begin|start transaction|rollback|get)\b/i
/** Every new connection sends it, at any time. */
const listens = /^listen\b/i
/** Reads alone, outside of a transaction, and so keeps no lock. */
const looks = /^(select|get)\b(?!.*;)/is
/** The last statement of a batch, or a single one. */
export const commits = /(^|; )commit$/i

/**
 * The points at which a kill makes a difference: after each statement with a durable effect. Anywhere else the stores
 * are as at one of these points or as before the request, unless the background has written meanwhile: a read changes
 * nothing, and a transaction is rolled back with its process. Of a transaction, the point before its COMMIT is enough,
 * where it holds all its locks.
 */
export function strikesAt(points: readonly Point[]): Strike[] {
  return points.flatMap((point, i) => {
    const { text, within, written } = point
    const ends = commits.test(text)
    const before = points[i - 1]
    const sides: Side[] = []
    if (ends || (before && before.written !== written)) sides.push('before')
    if (ends || (!within && !readsOnly.test(text))) sides.push('after')
    return sides.map((side) => ({ ...point, side }))
  })
}

/** Sees every statement that one process sends to its stores, and can kill the process at one of them. */
export interface Gate {
  /** Counts from now on, and kills at the target. */
  arm(target?: Strike): void
  /** What was counted since then, in order. */
  counted(): readonly Point[]
  /** The relay of one connection to a store. */
  relay(store: Store, conversation: Conversation, link: Link): Relay
  /** Whether the target was reached. */
  isStruck(): boolean
}

/** Statements that a process sends even without a request. */
export type Background = ReadonlySet<string>

/**
 * Tells the statements of a request from those of the background. Within a transaction every statement is the
 * request's, as the background uses none. Outside, it is the request's unless the idle process has sent the same text,
 * so no list of statements has to be maintained. Only requests use Redis.
 *
 * @param kill SIGKILL, at once; after the strike nothing passes between the process and a store
 */
export function createGate(kill: () => void, background: Background = new Set()): Gate {
  let points: Point[] | undefined
  let target: Strike | undefined
  let isStruck = false
  let written = 0

  function count(store: Store, text: string, inTransaction: boolean): Side | undefined {
    if (!points || listens.test(text)) return undefined
    if (background.has(text) && !inTransaction) {
      if (!looks.test(text)) written++
      return undefined
    }
    const nth = points.filter((each) => each.store === store && each.text === text).length + 1
    points.push({ store, text, nth, within: inTransaction, written })
    const isTarget = target?.store === store && target.text === text && target.nth === nth
    return isTarget ? target?.side : undefined
  }

  return {
    arm(at) {
      points = []
      target = at
      written = 0
    },
    counted: () => points ?? [],
    isStruck: () => isStruck,
    relay(store, conversation, link) {
      let asked = 0
      let answered = 0
      let awaited: number | undefined
      return {
        fromClient(bytes) {
          for (const request of conversation.requests(bytes)) {
            if (isStruck) return
            const { statement } = request
            const side = statement && count(store, statement, conversation.inTransaction())
            if (side) isStruck = true
            if (side === 'before') return kill()
            asked += request.answers
            if (side === 'after') awaited = asked
            link.toServer(request.bytes)
          }
        },
        fromServer(bytes) {
          answered += conversation.answers(bytes)
          if (!isStruck) return link.toClient(bytes)
          if (awaited !== undefined && answered >= awaited) kill()
        },
        closed() {
          if (awaited !== undefined) kill()
        },
      }
    },
  }
}
