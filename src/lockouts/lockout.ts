/**
 * How many wrong guesses at the secrets of one person are looked at: passwords, one-time passwords, and whatever else
 * signs somebody in. All of them count together, on every node and at every address (security classes C9, C20).
 *
 * | who guesses                     | at once | then one after             | in a row at most        |
 * |---------------------------------|---------|----------------------------|-------------------------|
 * | strangers, all together         | 5       | 30 s, doubled, up to 1 h   | 80                      |
 * | a browser known to the account  | 5       | 30 s, doubled, up to 5 min | 10, then it is unknown  |
 * | all known browsers together     |         |                            | 20                      |
 *
 * Together that is 100, the most that NIST SP 800-63B-4 §3.2.2 allows. A finished sign-in begins anew; a new password
 * does not. Strangers cannot use up what a known browser has, so that they cannot lock the owner out of it (OWASP,
 * device cookies).
 */
export interface Row {
  /** Guesses that are looked at before there is a pause. */
  free: number
  /** Seconds of the first pause; each further one is twice as long. */
  pause: number
  /** Seconds of the longest. */
  longest: number
  /** Wrong guesses in a row; after that nothing is looked at. */
  most: number
}

export const strangers: Row = { free: 5, pause: 30, longest: 3600, most: 80 }
export const device: Row = { free: 5, pause: 30, longest: 300, most: 10 }
export const devices: Row = { free: 20, pause: 0, longest: 0, most: 20 }

/** Whose secret is guessed. */
export type Owner =
  | { accountId: string }
  /** What nobody is called, in the form in which identifiers are compared: counted alike, so that it shows nothing. */
  | { identifier: string }

export interface Guesser {
  owner: Owner
  /** The browser, when it is known to the account (known-devices.ts). */
  deviceId?: string | undefined
  /** For the record. */
  ip?: string | undefined
}

/** The state of an account, for operators. */
export interface Lockout {
  accountId: string
  /** Wrong guesses in a row, of strangers and of known browsers. */
  failures: number
  /** Guesses that were not looked at since. */
  refused: number
  /** In milliseconds: until then strangers are refused. */
  lockedUntil?: number
  /** Nobody gets in whose browser is not known, until an operator or the owner lifts it. */
  blocked: boolean
}
