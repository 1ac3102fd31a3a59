/** What a piece of a connection says, as far as one who refuses it wants to know. */
export interface SoleRequest {
  method: string
  /** As it came. */
  url: string
  /** How many fields its head has. */
  fields: number
}

/**
 * A head (RFC 9112 §2) as clients write it: no white space but one space where it must be, no folded lines, every line
 * ended by CRLF.
 */
const head =
  /^(GET|POST) (\/[!-~]*) HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)+\r\n/

/** Digits that no length of a body here is longer than. */
const length = /^\d{1,9}$/

/**
 * The request that a piece is, from its first octet to its last. Anything else has none, and is for `node:http` to read:
 * whatever could be read in another way, too, or means more than an answer.
 *
 * | a piece                                                  | is        |
 * |----------------------------------------------------------|-----------|
 * | one whole GET or POST, its body by `Content-Length`      | a request |
 * | half of one, or more than one (pipelined)                | none      |
 * | two lengths, `Transfer-Encoding`, `Expect`, `Upgrade`    | none      |
 * | no `Host`, or two, which MUST be answered 400            | none      |
 * | one whose connection ends with it, another version       | none      |
 */
export function soleRequest(piece: Buffer): SoleRequest | undefined {
  const text = piece.toString('latin1')
  const [whole, method = '', url = ''] = head.exec(text) ?? []
  if (whole === undefined) return undefined
  let fields = 0
  let hosts = 0
  let body: number | undefined
  const end = whole.length - 2
  for (let at = whole.indexOf('\r\n') + 2; at < end; fields++) {
    const colon = whole.indexOf(':', at)
    const next = whole.indexOf('\r\n', colon) + 2
    const value = () => whole.slice(colon + 1, next - 2).trim()
    switch (whole.slice(at, colon).toLowerCase()) {
      case 'host':
        hosts++
        break
      case 'content-length':
        if (body !== undefined || !length.test(value())) return undefined
        body = Number(value())
        break
      case 'connection':
      case 'proxy-connection':
        if (value().toLowerCase() !== 'keep-alive') return undefined
        break
      case 'transfer-encoding':
      case 'expect':
      case 'upgrade':
        return undefined
    }
    at = next
  }
  if (hosts !== 1 || whole.length + (body ?? 0) !== text.length) return undefined
  return { method, url, fields }
}
