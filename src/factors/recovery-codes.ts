import { randomBytes } from 'node:crypto'
import { base32 } from './totp.ts'

/** Codes in one set. */
const codesAtOnce = 10

/** 25 characters have 125 random bits: enough to be stored without a slow hash (ASVS 6.5.2). */
const length = 25

/** New codes, in groups of five to be easy to copy. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: codesAtOnce }, () => {
    const code = base32(randomBytes(16)).slice(0, length).toLowerCase()
    return (code.match(/.{5}/g) as string[]).join('-')
  })
}

/** Normalises a typed code; undefined when it cannot be one. */
export function recoveryCodeIn(typed: string): string | undefined {
  const code = typed.normalize('NFKC').replace(/[\s-]/g, '').toLowerCase()
  return /^[a-z2-7]{25}$/.test(code) ? code : undefined
}
