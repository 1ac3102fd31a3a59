/**
 * How many wrong guesses at a person's secrets are checked: passwords, one-time passwords, and any other secret that
 * signs somebody in. All count together, on all nodes and from all addresses (security classes C9, C20).
 *
 * | guesses by                     | at once | then one after             | in a row at most       |
 * |--------------------------------|---------|----------------------------|------------------------|
 * | strangers, all together        | 5       | 30 s, doubled, up to 1 h   | 80                     |
 * | a browser known to the account | 5       | 30 s, doubled, up to 5 min | 10, then it is unknown |
 * | all known browsers together    |         |                            | 20                     |
 *
 * The sum is 100, the most that NIST SP 800-63B-4 §3.2.2 allows. A finished sign-in resets the counts; a new password
 * does not. Strangers cannot use up the guesses of a known browser, so they cannot lock the owner out of it (OWASP,
 * device cookies).
 */
export interface Row {
  /** Guesses that are checked before the first pause. */
  free: number
  /** Seconds of the first pause; each further one is twice as long. */
  pause: number
  /** Seconds of the longest pause. */
  longest: number
  /** Most wrong guesses in a row; after that none is checked. */
  most: number
}

export const strangers: Row = { free: 5, pause: 30, longest: 3600, most: 80 }
export const device: Row = { free: 5, pause: 30, longest: 300, most: 10 }
export const devices: Row = { free: 20, pause: 0, longest: 0, most: 20 }

/** Whose secret is guessed. */
export type Owner =
  | { accountId: string }
  /**
   * An identifier without an account, as `identifierKey` makes it: counted like an account, so that nobody can tell the
   * difference.
   */
  | { identifier: string }

export interface Guesser {
  owner: Owner
  /** The browser's id, if the account knows it (known-devices.ts). */
  deviceId?: string | undefined
  /** For the audit event. */
  ip?: string | undefined
}

/** The state of an account, for operators. */
export interface Lockout {
  accountId: string
  /** Wrong guesses in a row, of strangers and of known browsers. */
  failures: number
  /** Guesses refused since then without a check. */
  refused: number
  /** Milliseconds since the epoch: until then guesses of strangers are refused. */
  lockedUntil?: number
  /** Guesses of all unknown browsers are refused, until an operator or the owner lifts the lock. */
  blocked: boolean
}
