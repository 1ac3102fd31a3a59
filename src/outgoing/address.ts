import { BlockList, isIP } from 'node:net'

/**
 * IP addresses that outgoing requests must not reach (IANA special-purpose registries, RFC 6890).
 *
 * IPv4: all but the blocks below may be reached. IPv6: only global unicast (2000::/3), without the blocks below. That
 * excludes loopback, link-local, unique local, multicast and embedded IPv4 (mapped, compatible, NAT64) without listing
 * them; 6to4 and Teredo, which embed IPv4 as well, are listed.
 */
const special = {
  ipv4: [
    '0.0.0.0/8', // this network
    '10.0.0.0/8', // private
    '100.64.0.0/10', // shared by carriers (RFC 6598)
    '127.0.0.0/8', // loopback
    '169.254.0.0/16', // link-local; metadata of clouds
    '172.16.0.0/12', // private
    '192.0.0.0/24', // protocol assignments
    '192.0.2.0/24', // documentation
    '192.31.196.0/24', // AS112
    '192.52.193.0/24', // AMT
    '192.88.99.0/24', // 6to4 relays
    '192.168.0.0/16', // private
    '192.175.48.0/24', // AS112
    '198.18.0.0/15', // benchmarks
    '198.51.100.0/24', // documentation
    '203.0.113.0/24', // documentation
    '224.0.0.0/3', // multicast, reserved, broadcast
  ],
  ipv6: [
    '2001::/23', // protocol assignments: Teredo, ORCHID and others
    '2001:db8::/32', // documentation
    '2002::/16', // 6to4
    '2620:4f:8000::/48', // AS112
    '3fff::/20', // documentation
  ],
} as const

const globalUnicast = listOf(['2000::/3'])
const specialPurpose = listOf([...special.ipv4, ...special.ipv6])
const loopback = listOf(['127.0.0.0/8', '::1/128'])

/** Creates a matcher of networks, each written as `address/prefix length`. */
export function listOf(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', length] = network.split('/')
    list.addSubnet(address, Number(length), familyOf(address))
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address))
}

/** Whether an IP address is public. False for anything else. */
export function isPublic(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !specialPurpose(address)
    case 6:
      return globalUnicast(address) && !specialPurpose(address)
    default:
      return false
  }
}

/** Whether an IP address is loopback; not its IPv4-mapped form. */
export function isLoopback(address: string): boolean {
  return !address.toLowerCase().startsWith('::ffff:') && loopback(address)
}

/** The host of a URL, without IPv6 brackets and the trailing dot of an absolute name. */
export const plainHost = (hostname: string): string =>
  hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')

/** RFC 6761 §6.3: these names are this machine, whatever DNS says. @param host from `plainHost` */
export const isLocalName = (host: string): boolean =>
  host === 'localhost' || host.endsWith('.localhost')

/** Whether the host of a URL is this machine, by name or IP address. */
export function isThisMachine(hostname: string): boolean {
  const host = plainHost(hostname)
  return isLocalName(host) || isLoopback(host)
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
