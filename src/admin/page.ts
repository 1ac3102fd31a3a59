import { cursorOf, placeIn } from './cursor.ts'
import type { Call } from './route.ts'

type Place = ReadonlyArray<string | number>

type ListCall = Call<{ limit: number; cursor?: string | undefined }>

const placeBefore = ({ core, address, query }: ListCall) =>
  placeIn(core.sealer, address, query.cursor)

/**
 * The last text of the previous page, in a list ordered by one text; undefined for the first page.
 * @throws DomainError `request_invalid`
 */
export const textBefore = (call: ListCall) => placeBefore(call)?.[0] as string | undefined

/** The same in a list ordered by time and id. */
export function momentBefore(call: ListCall): { at: number; id: string } | undefined {
  const [at, id] = (placeBefore(call) ?? []) as [number, string] | []
  return at === undefined || id === undefined ? undefined : { at, id }
}

/** The same in a list ordered by creation. */
export function creationBefore(call: ListCall): { createdAt: number; id: string } | undefined {
  const before = momentBefore(call)
  return before && { createdAt: before.at, id: before.id }
}

/**
 * A page of an answer.
 * @param found the items after the cursor, one more than the page when there are more
 * @param placeOf the sort values of an item
 * @param stoppedAt where a search stopped that took too long to fill the page
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
