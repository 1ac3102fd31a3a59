import { isIPv6 } from 'node:net'

/**
 * The network that an address belongs to, as far as one caller usually commands it: /24 of IPv4, /48 of IPv6.
 * @param address as the edge writes it: IPv4 never as IPv6, no zone
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
  ]
  return `${all
    .slice(0, 3)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/48`
}
