import { isDeepStrictEqual } from 'node:util'

/**
 * The names of the members that differ, sorted: all that an event says about a change, as values may be secret or long.
 * @param before undefined for a new object
 */
export function changedMembers(before: unknown, after: object): string[] {
  const [old, fresh] = [before ?? {}, after].map(plain)
  const names = new Set([...Object.keys(old ?? {}), ...Object.keys(fresh ?? {})])
  return [...names].filter((name) => !isDeepStrictEqual(old?.[name], fresh?.[name])).toSorted()
}

/** The stored form, without undefined members. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>
