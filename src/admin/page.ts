import { cursorOf, placeIn } from './cursor.ts'
import type { Call } from './route.ts'

type Place = ReadonlyArray<string | number>

type ListCall = Call<{ limit: number; cursor?: string | undefined }>

const placeBefore = ({ core, address, query }: ListCall) =>
  placeIn(core.sealer, address, query.cursor)

/**
 * The text that the page before ended with, in a list in the order of one; none for the first page.
 * @throws DomainError `request_invalid`
 */
export const textBefore = (call: ListCall) => placeBefore(call)?.[0] as string | undefined

/** The same in a list in the order of a time, and of the ids of what has the same time. */
export function momentBefore(call: ListCall): { at: number; id: string } | undefined {
  const [at, id] = (placeBefore(call) ?? []) as [number, string] | []
  return at === undefined || id === undefined ? undefined : { at, id }
}

/** The same in a list in the order of creation. */
export function creationBefore(call: ListCall): { createdAt: number; id: string } | undefined {
  const before = momentBefore(call)
  return before && { createdAt: before.at, id: before.id }
}

/**
 * A page as the answer has it.
 * @param found what comes after the place, one more than the page has when there is more
 * @param placeOf the values that the list is ordered by
 * @param stoppedAt the value that a search has come to which took too long to fill the page
 */
export function pageOf<Item>(
  { core, address, query }: ListCall,
  found: Item[],
  representation: (item: Item) => object,
  placeOf: (item: Item) => Place,
  stoppedAt?: string,
): object {
  const shown = found.slice(0, query.limit)
  const last = shown.at(-1)
  const isMore = found.length > shown.length && last !== undefined
  const place = isMore ? placeOf(last) : stoppedAt === undefined ? undefined : [stoppedAt]
  return {
    items: shown.map(representation),
    ...(place ? { next_cursor: cursorOf(core.sealer, address, place) } : {}),
  }
}
