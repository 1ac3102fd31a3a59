import type { Conversation } from '../support/postgres-wire.ts'
import type { Link, Relay } from '../support/tcp-proxy.ts'

export type Store = 'postgres' | 'redis'

/** A statement or command of a request: the n-th with this text. Named so, it is found again in another run. */
export interface Point {
  readonly store: Store
  readonly text: string
  readonly nth: number
  /** Whether a transaction was open. */
  readonly within: boolean
  /** How often the background had written by then. */
  readonly written: number
}

/** The process dies before the store hears of it, or when the store has done it and nobody has heard the answer. */
export type Side = 'before' | 'after'

export type Strike = Point & { readonly side: Side }

const readsOnly = /^(select|begin|start transaction|rollback|get)\b/i
/** A connection made anew listens, which may be at any time. */
const listens = /^listen\b/i
/** Alone, and outside of a transaction: it takes no lock that stays, either. */
const looks = /^(select|get)\b(?!.*;)/is
/** The last of what is sent together, or alone. */
export const commits = /(^|; )commit$/i

/**
 * Where a kill makes a difference: after each statement that lasts. Anywhere else the stores are what they were at one of
 * these, or before the request, unless the background has written meanwhile: a statement that only looks changes nothing,
 * and what a transaction has done goes with its process. Of a transaction it is enough to come before its COMMIT, where it
 * holds all its locks.
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

/** Sees every statement that one process sends to its stores, and can end the process at one of them. */
export interface Gate {
  /** Counts from here on, and kills at the target. */
  arm(target?: Strike): void
  /** What has been counted since, in order. */
  counted(): readonly Point[]
  /** The relay of one connection to a store. */
  relay(store: Store, conversation: Conversation, link: Link): Relay
  /** Whether the target was reached. */
  isStruck(): boolean
}

/** Statements that a process sends also when nobody asks it for anything. */
export type Background = ReadonlySet<string>

/**
 * Whose statement is it? Within a transaction, the request's, whatever it says: the background has none. Outside of
 * one, the request's unless the idle process was heard to say the same: so nothing has to be listed here, neither
 * what is new in a request nor what is new in the background. Redis hears from requests alone.
 *
 * @param kill SIGKILL, at once; from the strike on nothing of the process reaches a store and nothing reaches it
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
