import { changedMembers } from '../audit/changes.ts'
import { reserved } from './asked-metadata.ts'

type Members = Record<string, unknown>

/** Without the lifetimes, which come from the policy. */
const operatorsAlone = reserved.filter(
  (member) => member !== 'refresh_token_idle_ttl' && member !== 'refresh_token_absolute_ttl',
)

/**
 * The members of a client that belong to the operator: those that only operators may set, and those that an operator
 * has set differently from the client's own declaration.
 */
export function operatorsWord(own: Members | undefined, stored: Members): string[] {
  return [...operatorsAlone, ...(own === undefined ? [] : changedMembers(own, stored))]
}

/** A client's own declaration, in which the operator's members keep their stored values, or stay absent. */
export function withOperatorsWord(declared: Members, stored: Members, word: string[]): Members {
  const theirs = new Set(word)
  return {
    ...Object.fromEntries(Object.entries(declared).filter(([member]) => !theirs.has(member))),
    ...Object.fromEntries(Object.entries(stored).filter(([member]) => theirs.has(member))),
  }
}
