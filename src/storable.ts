/** The maximum nesting of stored JSON, far below the depth at which it cannot be serialised. */
const deepest = 100

/** What `isStorable` requires, for error messages. */
export const storableRule = `must not contain U+0000, half a surrogate pair or more than ${deepest} levels of nesting`

/** Whether Postgres can store a JSON value: see `storableRule`. */
export const isStorable = (value: unknown): boolean => unstorableIn(value) === undefined

/**
 * Where a JSON value first breaks `storableRule`, names of members included.
 * @returns the path of that text, or of the object with that name; undefined when Postgres can store the value
 */
export function unstorableIn(value: unknown, depth = 0): PropertyKey[] | undefined {
  if (depth > deepest) return []
  if (typeof value === 'string') return isText(value) ? undefined : []
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, member] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    if (typeof name === 'string' && !isText(name)) return []
    const below = unstorableIn(member, depth + 1)
    if (below) return [name, ...below]
  }
  return undefined
}

const isText = (text: string): boolean => !text.includes('\0') && text.isWellFormed()
