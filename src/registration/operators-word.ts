import { changedMembers } from '../audit/changes.ts'

type Members = Record<string, unknown>

/** The members of a client that an operator has made other than it declared them itself. */
export function operatorsWord(own: Members | undefined, stored: Members): string[] {
  return own === undefined ? [] : changedMembers(own, stored)
}

/** A declaration of the client's own, in which an operator's word stands as it is stored, also where that is nothing. */
export function withOperatorsWord(declared: Members, stored: Members, word: string[]): Members {
  const theirs = new Set(word)
  return {
    ...Object.fromEntries(Object.entries(declared).filter(([member]) => !theirs.has(member))),
    ...Object.fromEntries(Object.entries(stored).filter(([member]) => theirs.has(member))),
  }
}
