import { isDeepStrictEqual } from 'node:util'

/** A changed member: `before` is absent when it was added, `after` when it was removed. */
export interface MemberChange {
  /** Names of members, joined by dots: `jwks.keys`. */
  path: string
  before?: unknown
  after?: unknown
}

/** Shown instead of a secret value. */
const sensitive = '(sensitive)'

/**
 * The members in which two forms of an item differ, sorted by name. Lists are compared as wholes, objects member by
 * member.
 * @param before undefined for a new item
 * @param secret the member whose secret value changed; neither form contains it
 */
export function memberChanges(
  before: object | undefined,
  after: object,
  secret?: string,
): MemberChange[] {
  const changes = between(before ?? {}, after, '')
  if (secret !== undefined) {
    changes.push({ path: secret, ...(before ? { before: sensitive } : {}), after: sensitive })
  }
  return changes.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

function between(before: object, after: object, prefix: string): MemberChange[] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((name): MemberChange[] => {
    const [was, is] = [old.get(name) as unknown, now.get(name) as unknown]
    if (isDeepStrictEqual(was, is)) return []
    if (isObject(was) && isObject(is)) return between(was, is, `${prefix}${name}.`)
    // An explicit null is a value.
    return [
      {
        path: prefix + name,
        ...(was === undefined ? {} : { before: was }),
        ...(is === undefined ? {} : { after: is }),
      },
    ]
  })
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A line of a difference: its sign, the member and what became of it. */
export type DifferenceLine = [sign: '+' | '-' | '~', path: string, text: string]

/** The lines of a change. Lists, and texts that are lists of words, show the added and removed elements. */
export function differenceLines({ path, before, after }: MemberChange): DifferenceLine[] {
  if (after === sensitive) return [[before === undefined ? '+' : '~', path, sensitive]]
  const [old, now] = [elements(path, before), elements(path, after)]
  if (old && now) {
    const gone = old.filter((text) => !now.includes(text))
    const come = now.filter((text) => !old.includes(text))
    if (gone.length + come.length > 0) {
      return [
        ...gone.map((text): DifferenceLine => ['-', path, text]),
        ...come.map((text): DifferenceLine => ['+', path, text]),
      ]
    }
  }
  if (before === undefined) return [['+', path, JSON.stringify(after)]]
  if (after === undefined) return [['-', path, JSON.stringify(before)]]
  return [['~', path, `${JSON.stringify(before)} → ${JSON.stringify(after)}`]]
}

function elements(path: string, value: unknown): string[] | undefined {
  if (value === undefined) return []
  if (path === 'scope' && typeof value === 'string') return value.split(' ').filter(Boolean)
  if (!Array.isArray(value)) return undefined
  return value.map((each: unknown) => (typeof each === 'string' ? each : JSON.stringify(each)))
}
