import { changedMembers } from '../audit/changes.ts'
import { reserved } from './asked-metadata.ts'

type Members = Record<string, unknown>

/** Not the lifetimes, which the policy gives a client. */
const operatorsAlone = reserved.filter(
  (member) => member !== 'refresh_token_idle_ttl' && member !== 'refresh_token_absolute_ttl',
)

/**
 * The members of a client that only operators may set, or that an operator set otherwise than the client declared them.
 */
export function operatorsWord(own: Members | undefined, stored: Members): string[] {
  return [...operatorsAlone, ...(own === undefined ? [] : changedMembers(own, stored))]
}

/**
 * A declaration by the client itself, in which the members that are an operator's keep what is stored, or stay absent.
 */
export function withOperatorsWord(declared: Members, stored: Members, word: string[]): Members {
  const theirs = new Set(word)
  return {
    ...Object.fromEntries(Object.entries(declared).filter(([member]) => !theirs.has(member))),
    ...Object.fromEntries(Object.entries(stored).filter(([member]) => theirs.has(member))),
  }
}
