import { hasUnseen } from '../accounts/account.ts'
import { DomainError } from '../errors.ts'
import { domainOf } from '../tenants/tenant.ts'

/** A subset of RFC 5321 §4.1.2: exactly one address, which cannot inject a header or recipient. */
const plainAddress = /^[^\s@<>(),;:\\"\p{Cc}]{1,64}@[^\s@<>(),;\\"\p{Cc}]{1,255}$/u

export const isMailAddress = (text: string): boolean =>
  text.length <= 254 && plainAddress.test(text)

/**
 * The typed address in canonical spelling, to which mail goes and which is stored: the proven address must be the
 * stored one, not merely one that compares equal (security class C9).
 * @throws DomainError `email_invalid`
 */
export function addressIn(given: string): string {
  const address = given.normalize('NFKC').trim()
  if (isMailAddress(address) && !hasUnseen(address) && domainOf(address) !== '') return address
  throw new DomainError('email_invalid', { detail: 'expected one plain e-mail address' })
}
