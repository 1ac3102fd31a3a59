import { z } from 'zod'

/**
 * A name that operators declare and people read. Neither control characters nor those that change the direction of the
 * text after them (Unicode UAX #9 §2) are allowed: they could make another name appear than was declared.
 */
export const line = z.string().regex(/^[^\p{Cc}\u202A-\u202E\u2066-\u2069]{1,200}$/u, {
  error:
    'must be 1 to 200 characters without control characters and characters that change the text direction (U+202A to U+202E, U+2066 to U+2069)',
})

/** Removes such characters from names stored before they were refused. */
export const asLine = (stored: string) =>
  stored.replaceAll(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu, '')
