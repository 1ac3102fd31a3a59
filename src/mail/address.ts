import { hasUnseen } from '../accounts/account.ts'
import { DomainError } from '../errors.ts'
import { domainOf } from '../tenants/tenant.ts'

/** RFC 5321 §4.1.2, as far as it matters to us: one address, nothing that begins another header or recipient. */
const plainAddress = /^[^\s@<>(),;:\\"\p{Cc}]{1,64}@[^\s@<>(),;\\"\p{Cc}]{1,255}$/u

export const isMailAddress = (text: string): boolean =>
  text.length <= 254 && plainAddress.test(text)

/**
 * The address that somebody typed, in the one spelling to which mail goes and that is stored: what is proven is what
 * names the account, and not another that is only compared like it (security class C9).
 * @throws DomainError `email_invalid`
 */
export function addressIn(given: string): string {
  const address = given.normalize('NFKC').trim()
  if (isMailAddress(address) && !hasUnseen(address) && domainOf(address) !== '') return address
  throw new DomainError('email_invalid', { detail: 'expected one plain e-mail address' })
}
