import type { Refusal } from './refusal.ts'

/** What is kept of a refresh token that was refused: how long it was, and the family that it names. */
export const receivedOf = (masked: string, family: string): string =>
  `${masked} of family ${family}`

export const familyNamedIn = ({ received = '' }: Refusal): string | undefined =>
  / of family ([\w-]{22})$/.exec(received)?.[1]
