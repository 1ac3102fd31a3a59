import type { Arguments, Command, Io } from './command.ts'
import type { CommandName } from './commands.ts'
import { performAll, type Surroundings } from './perform.ts'

/** Items per answer of the process that owns the storage; neither side ever holds more. */
const pageSize = 1000

/** The limit of a list query: one more than a page, to know whether there are more. */
export const pageLimit: number = pageSize + 1

/**
 * @param found at most `pageLimit` items, or one more than `size`
 * @param placeOf returns the `after` of the next page
 */
export function pageIn<Item, Place>(
  found: Item[],
  placeOf: (last: Item) => Place,
  size: number = pageSize,
): { shown: Item[]; next?: Place } {
  const shown = found.slice(0, size)
  const last = shown.at(-1)
  const hasMore = found.length > shown.length && last !== undefined
  return hasMore ? { shown, next: placeOf(last) } : { shown }
}

/**
 * Prints all pages of a list as they arrive, each after the previous one was written; `--json` combines them into one
 * document.
 * @returns whether one of them reports a problem
 */
export async function printPages(
  { name, command, list }: { name: CommandName; command: Command; list: string },
  { input, args, io, ...surroundings }: { input: object; args: Arguments; io: Io } & Surroundings,
): Promise<boolean> {
  const print = args.options['json'] ? jsonPrinter(list, io) : textPrinter(command, io)
  let failed = false
  await performAll(name, surroundings, async (run) => {
    let after: unknown
    do {
      const page = (await run(after === undefined ? input : { ...input, after })) as Page
      await print.page(page)
      failed ||= command.failed?.(page) ?? false
      after = page.next
    } while (after !== undefined)
  })
  await print.end()
  return failed
}

interface Page {
  [list: string]: unknown
  next?: unknown
}

/**
 * Pages that are empty because their items were deleted concurrently print nothing; if all are empty, that is printed
 * once.
 */
function textPrinter(command: Command, io: Io) {
  let empty: Page | undefined
  let printed = false
  return {
    async page(page: Page): Promise<void> {
      if (listsOf(page).every(([, items]) => items.length === 0)) {
        empty = page
        return
      }
      printed = true
      await io.out(command.render(page))
    },
    async end(): Promise<void> {
      if (!printed && empty) await io.out(command.render(empty))
    },
  }
}

/**
 * The same text as `JSON.stringify(…, null, 2)` of the whole: the list as it comes, except its last item, which a comma
 * may have to follow; then the other members, which are small.
 */
function jsonPrinter(list: string, io: Io) {
  const beside: Record<string, unknown[]> = {}
  let held: string | undefined
  return {
    async page(page: Page): Promise<void> {
      const lines: string[] = []
      for (const [name, items] of listsOf(page)) {
        if (name !== list) beside[name] = [...(beside[name] ?? []), ...items]
        else
          for (const item of items) {
            lines.push(held === undefined ? `{\n  ${JSON.stringify(list)}: [` : `${held},`)
            held = JSON.stringify(item, null, 2).replaceAll(/^/gm, '    ')
          }
      }
      if (lines.length > 0) await io.out(lines.join('\n'))
    },
    async end(): Promise<void> {
      const rest = JSON.stringify(beside, null, 2).slice(1)
      if (held === undefined) await io.out(JSON.stringify({ [list]: [], ...beside }, null, 2))
      else await io.out(`${held}\n  ]${rest === '}' ? '\n}' : `,${rest}`}`)
    },
  }
}

const listsOf = (page: Page) =>
  Object.entries(page as Record<string, unknown[]>).filter(([name]) => name !== 'next')
