import { z } from 'zod'

/**
 * A name that operators declare and people read. Besides control characters it has none of those that turn the direction
 * of the text behind them (Unicode UAX #9 §2): with one, another name is read than was declared.
 */
export const line = z.string().regex(/^[^\p{Cc}\u202A-\u202E\u2066-\u2069]{1,200}$/u, {
  error:
    'must be 1 to 200 characters without control characters and characters that change the text direction (U+202A to U+202E, U+2066 to U+2069)',
})

/** What is left of a name that was stored before that was refused. */
export const asLine = (stored: string) =>
  stored.replaceAll(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu, '')
