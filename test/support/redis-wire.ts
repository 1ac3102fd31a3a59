import type { Conversation, Request } from './postgres-wire.ts'

const CRLF = Buffer.from('\r\n')

/**
 * Where the value that starts at `from` ends (RESP2 and RESP3: the Redis serialization protocol specification);
 * undefined when it is not complete.
 */
function endOfValue(bytes: Buffer, from: number): number | undefined {
  const lineEnd = bytes.indexOf(CRLF, from)
  if (lineEnd < 0) return undefined
  const kind = String.fromCharCode(bytes[from] ?? 0)
  const start = lineEnd + CRLF.length
  const count = Number(bytes.toString('latin1', from + 1, lineEnd))
  if ('$=!'.includes(kind)) {
    const end = count < 0 ? start : start + count + CRLF.length
    return end <= bytes.length ? end : undefined
  }
  if (!'*~>%|'.includes(kind)) return start
  let end: number | undefined = start
  const members = kind === '%' || kind === '|' ? 2 * count : count
  for (let i = 0; i < members && end !== undefined; i++) end = endOfValue(bytes, end)
  return end
}

/** Takes complete values off the front; the rest stays for the bytes that are still to come. */
function values(): (chunk: Buffer) => Buffer[] {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    const complete: Buffer[] = []
    for (let end = endOfValue(rest, 0); end !== undefined; end = endOfValue(rest, 0)) {
      complete.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    return complete
  }
}

/** The name of a command, which a client sends as an array of bulk strings. */
function nameOf(command: Buffer): string {
  return command.toString('latin1').split('\r\n', 3)[2]?.toUpperCase() ?? ''
}

/** One connection to Redis: every command is a request of its own and has one reply. */
export function redisConversation(): Conversation {
  const commands = values()
  const replies = values()
  return {
    requests: (chunk) =>
      commands(chunk).map((bytes): Request => ({ bytes, statement: nameOf(bytes), answers: 1 })),
    answers: (chunk) => replies(chunk).length,
    inTransaction: () => false,
  }
}
