/**
 * What a person types from one screen into another: 8 letters out of 20, none a vowel and none like another
 * (RFC 8628 §6.1). 20^8 codes, 34.5 bits.
 */
const userCode = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/

/** Longer than any way to write a code. */
const longestTyped = 64

/**
 * The code in typed text, whatever its case and separators; undefined when there is none. Only ASCII letters are
 * converted, so that no other letter becomes one of ours.
 */
export function userCodeIn(typed: string): string | undefined {
  if (typed.length > longestTyped) return undefined
  const letters = typed
    .replaceAll(/[\s._\-‐-―]/g, '')
    .replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())
  return userCode.test(letters) ? letters : undefined
}

/** As the device shows it: `BCDF-GHJK`. */
export function writtenUserCode(code: string): string {
  return `${code.slice(0, 4)}-${code.slice(4)}`
}
