import type { Arguments, Command, Io } from './command.ts'
import type { CommandName } from './commands.ts'
import { performAll, type Surroundings } from './perform.ts'

/** Items of one answer of the process that owns the storage; neither side ever has more of them at once. */
const pageSize = 1000

/** What a list is asked for: one more than a page, to know whether there are more. */
export const pageLimit: number = pageSize + 1

/**
 * A page of a list, for a command with `list`.
 * @param found at most `pageLimit` items
 * @param placeOf what the page after it is asked with, as `after`
 */
export function pageIn<Item, Place>(
  found: Item[],
  placeOf: (last: Item) => Place,
): { shown: Item[]; next?: Place } {
  const shown = found.slice(0, pageSize)
  const last = shown.at(-1)
  const hasMore = found.length > shown.length && last !== undefined
  return hasMore ? { shown, next: placeOf(last) } : { shown }
}

/** Prints all pages of a list as they come; `--json` makes one document of them. */
export async function printPages(
  { name, command, list }: { name: CommandName; command: Command; list: string },
  { input, args, io, ...surroundings }: { input: object; args: Arguments; io: Io } & Surroundings,
): Promise<void> {
  const print = args.options['json'] ? jsonPrinter(list, io) : undefined
  await performAll(name, surroundings, async (run) => {
    let after: unknown
    let isFirst = true
    do {
      const page = (await run(after === undefined ? input : { ...input, after })) as Page
      after = page.next
      if (print) print(page, isFirst)
      else io.out(command.render(page))
      isFirst = false
    } while (after !== undefined)
  })
}

interface Page {
  [list: string]: unknown
  next?: unknown
}

/** As `JSON.stringify(…, null, 2)` would print all of it. */
function jsonPrinter(list: string, io: Io) {
  return ({ next, ...page }: Page, isFirst: boolean) => {
    const items = page[list] as object[]
    if (items.length === 0) return io.out(JSON.stringify(page, null, 2))
    const lines = items.map((item) => JSON.stringify(item, null, 2).replaceAll(/^/gm, '    '))
    const text = lines.join(',\n')
    const begin = isFirst ? `{\n  ${JSON.stringify(list)}: [\n` : ''
    io.out(next === undefined ? `${begin}${text}\n  ]\n}` : `${begin}${text},`)
  }
}
