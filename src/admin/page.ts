import { cursorOf, placeIn } from './cursor.ts'
import type { Call } from './route.ts'

type Place = ReadonlyArray<string | number>

type ListCall = Call<{ limit: number; cursor?: string | undefined }>

/** The values that the page before ended with; none for the first page. @throws DomainError `request_invalid` */
export function pagePlace({ core, address, query }: ListCall): Place {
  return placeIn(core.sealer, address, query.cursor) ?? []
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
