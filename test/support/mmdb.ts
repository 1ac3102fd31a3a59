import { isIPv6 } from 'node:net'

/** Writes files in the MaxMind DB format, version 2.0, as far as a database of countries needs it. */

type Value = string | number | Value[] | { [name: string]: Value }

/** A value of the data section: a control byte with type and size, then the content. */
function encode(value: Value): Buffer {
  if (typeof value === 'string') {
    const text = Buffer.from(value)
    return Buffer.concat([control(2, text.length), text])
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return Buffer.concat([control(6, 4), bytes])
  }
  if (Array.isArray(value)) return Buffer.concat([control(11, value.length), ...value.map(encode)])
  const members = Object.entries(value)
  return Buffer.concat([control(7, members.length), ...members.flat().map((each) => encode(each))])
}

function control(type: number, size: number): Buffer {
  if (size > 28) throw new Error('too long for this writer')
  return type > 7 ? Buffer.from([size, type - 7]) : Buffer.from([(type << 5) | size])
}

/** The bits of a prefix in a tree of IPv6 addresses, where IPv4 is `::/96`. */
function bitsOf(prefix: string): string {
  const [address = '', length = ''] = prefix.split('/')
  if (!isIPv6(address)) {
    const bits = address.split('.').map((byte) => Number(byte).toString(2).padStart(8, '0'))
    return '0'.repeat(96) + bits.join('').slice(0, Number(length))
  }
  const [head = '', tail = ''] = address
    .split('::')
    .map((part) => part.split(':').filter(Boolean))
    .map((groups) =>
      groups.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join(''),
    )
  return `${head}${'0'.repeat(128 - head.length - tail.length)}${tail}`.slice(0, Number(length))
}

/** @param countries two letters by prefix, none of which is within another; or a record of another shape */
export function mmdb(countries: Record<string, Value>, databaseType = 'Test-Country'): Buffer {
  type Node = [Node | number | undefined, Node | number | undefined]
  const newNode = (): Node => [undefined, undefined]
  const nodes: Node[] = [newNode()]
  const data: Buffer[] = []
  for (const [prefix, country] of Object.entries(countries)) {
    const bits = [...bitsOf(prefix)].map(Number)
    const last = bits.pop() as 0 | 1
    let at = nodes[0] as Node
    for (const bit of bits) {
      let next = at[bit]
      if (typeof next === 'number') throw new Error(`${prefix} is within another`)
      if (next === undefined) {
        next = newNode()
        at[bit] = next
        nodes.push(next)
      }
      at = next
    }
    at[last] = Buffer.concat(data).length
    data.push(encode(typeof country === 'string' ? { country: { iso_code: country } } : country))
  }
  const tree = Buffer.alloc(nodes.length * 6)
  for (const [index, node] of nodes.entries()) {
    for (const [side, record] of node.entries()) {
      const value =
        record === undefined
          ? nodes.length
          : typeof record === 'number'
            ? nodes.length + 16 + record
            : nodes.indexOf(record)
      tree.writeUIntBE(value, index * 6 + side * 3, 3)
    }
  }
  const metadata = encode({
    ...{ node_count: nodes.length, record_size: 24, ip_version: 6, database_type: databaseType },
    ...{ languages: [], description: {}, build_epoch: 1_760_000_000 },
    ...{ binary_format_major_version: 2, binary_format_minor_version: 0 },
  })
  const marker = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex')
  return Buffer.concat([tree, Buffer.alloc(16), ...data, marker, metadata])
}
