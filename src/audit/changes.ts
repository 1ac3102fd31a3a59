import { isDeepStrictEqual } from 'node:util'

/**
 * The names of the members that differ, in order: what an event says of a change; values may be secrets or long.
 * @param before undefined where there was nothing
 */
export function changedMembers(before: unknown, after: object): string[] {
  const [old, fresh] = [before ?? {}, after].map(plain)
  const names = new Set([...Object.keys(old ?? {}), ...Object.keys(fresh ?? {})])
  return [...names].filter((name) => !isDeepStrictEqual(old?.[name], fresh?.[name])).toSorted()
}

/** As it is stored: without members that are undefined. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>
