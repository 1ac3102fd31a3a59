import { isIPv6 } from 'node:net'

/** 64:ff9b::/96, what NAT64 puts before an IPv4 address (RFC 6052 §2.1). */
const nat64 = [0x64, 0xff9b, 0, 0, 0, 0].join(':')

/**
 * The network of an address, about what one caller usually controls: a /24 of IPv4, also behind NAT64 (where all of
 * IPv4 would be one network), a /48 of IPv6.
 * @param address as the edge normalises it: never IPv4-mapped IPv6, no zone
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return `${address.split('.').slice(0, 3).join('.')}.0/24`
  const [head = '', tail = ''] = address.split('::')
  const groups = (part: string) => part.split(':').filter(Boolean)
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [
    ...groups(head),
    ...(address.includes('::') ? Array.from({ length: missing }, () => '0') : []),
    ...groups(tail),
  ].map((group) => Number.parseInt(group, 16))
  const [high = 0, low = 0] = all.slice(6)
  if (all.slice(0, 6).join(':') === nat64) return `${high >> 8}.${high & 255}.${low >> 8}.0/24`
  const network = all.slice(0, 3).map((group) => group.toString(16))
  return `${network.join(':')}::/48`
}
