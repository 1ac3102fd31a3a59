import { randomBytes } from 'node:crypto'
import { base32 } from './totp.ts'

/** Codes that are handed out together. */
const codesAtOnce = 10

/** 25 characters are 125 random bits: what may be stored without a slow hash (ASVS 6.5.2). */
const length = 25

/** New codes, in groups of five so that they can be copied by hand. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: codesAtOnce }, () => {
    const code = base32(randomBytes(16)).slice(0, length).toLowerCase()
    return (code.match(/.{5}/g) as string[]).join('-')
  })
}

/** What somebody typed, as a code in the form that is compared. */
export function recoveryCodeIn(typed: string): string | undefined {
  const code = typed.normalize('NFKC').replace(/[\s-]/g, '').toLowerCase()
  return /^[a-z2-7]{25}$/.test(code) ? code : undefined
}
