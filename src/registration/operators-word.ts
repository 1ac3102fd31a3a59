import { changedMembers } from '../audit/changes.ts'
import { reserved } from './asked-metadata.ts'

type Members = Record<string, unknown>

/** Not the lifetimes, which the policy gives a client. */
const operatorsAlone = reserved.filter(
  (member) => member !== 'refresh_token_idle_ttl' && member !== 'refresh_token_absolute_ttl',
)

/** The members of a client that an operator alone may say, or has made other than it declared them itself. */
export function operatorsWord(own: Members | undefined, stored: Members): string[] {
  return [...operatorsAlone, ...(own === undefined ? [] : changedMembers(own, stored))]
}

/** A declaration of the client's own, in which an operator's word stands as it is stored, also where that is nothing. */
export function withOperatorsWord(declared: Members, stored: Members, word: string[]): Members {
  const theirs = new Set(word)
  return {
    ...Object.fromEntries(Object.entries(declared).filter(([member]) => !theirs.has(member))),
    ...Object.fromEntries(Object.entries(stored).filter(([member]) => theirs.has(member))),
  }
}
