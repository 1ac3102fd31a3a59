/** A unit of protocol: what a client sends and a server answers as one. */
export interface Request {
  readonly bytes: Buffer
  /** The executed SQL; undefined for a handshake or a good-bye. */
  readonly statement?: string
  /** Number of expected answers: 0 or 1. */
  readonly answers: number
}

/** Both directions of one connection to a store, as requests and answers. */
export interface Conversation {
  /** The requests that these bytes complete; bytes of an incomplete one are kept for the next call. */
  requests(chunk: Buffer): Request[]
  /** How many answers these bytes complete. */
  answers(chunk: Buffer): number
  /** Whether the last answer left a transaction open. */
  inTransaction(): boolean
}

// PostgreSQL documentation, "Message Formats": the codes that take the place of a protocol version.
const CANCEL_REQUEST = 80877102
const SSL_REQUEST = 80877103
const GSS_ENCRYPTION_REQUEST = 80877104

/** Parse, Bind, Describe, Execute and Close wait for a Sync; copy data for its end. */
const WAITING = new Set(['P', 'B', 'D', 'E', 'C', 'd'])

interface Message {
  readonly bytes: Buffer
  readonly type: string
}

function textAt(bytes: Buffer, from: number): string {
  return bytes.toString('utf8', from, bytes.indexOf(0, from)).replace(/\s+/g, ' ').trim()
}

/**
 * The texts of all statements that are executed, those of `Query` and those that are bound.
 * @param prepared texts by the name that `Parse` gave them, now or earlier
 */
function statementOf(
  messages: readonly Message[],
  prepared: Map<string, string>,
): string | undefined {
  const executed: string[] = []
  for (const { type, bytes } of messages) {
    const behind = bytes.indexOf(0, 5) + 1
    if (type === 'Q') executed.push(textAt(bytes, 5))
    if (type === 'P') prepared.set(textAt(bytes, 5), textAt(bytes, behind))
    if (type === 'B') executed.push(prepared.get(textAt(bytes, behind)) ?? '')
  }
  return executed.length === 0 ? undefined : executed.join('; ')
}

/** One connection to Postgres (PostgreSQL documentation, "Frontend/Backend Protocol", version 3). */
export function postgresConversation(): Conversation {
  let sent: Buffer = Buffer.alloc(0)
  let received: Buffer = Buffer.alloc(0)
  let waiting: Message[] = []
  const prepared = new Map<string, string>()
  let isTagged = false
  /** Answers of one byte without a frame, to a question for encryption. */
  let bare = 0
  let isOpen = false

  /** The first message of a connection has no type; after a question for encryption comes another such. */
  function untagged(bytes: Buffer): Request {
    const code = bytes.readInt32BE(4)
    if (code === SSL_REQUEST || code === GSS_ENCRYPTION_REQUEST) {
      bare++
      return { bytes, answers: 1 }
    }
    isTagged = code !== CANCEL_REQUEST
    return { bytes, answers: isTagged ? 1 : 0 }
  }

  function tagged(message: Message): Request | undefined {
    waiting.push(message)
    if (WAITING.has(message.type)) return undefined
    const statement = statementOf(waiting, prepared)
    const bytes = Buffer.concat(waiting.map((each) => each.bytes))
    waiting = []
    const answers = message.type === 'Q' || message.type === 'S' ? 1 : 0
    return { bytes, answers, ...(statement === undefined ? {} : { statement }) }
  }

  return {
    requests(chunk) {
      sent = Buffer.concat([sent, chunk])
      const complete: Request[] = []
      for (;;) {
        const head = isTagged ? 1 : 0
        if (sent.length < head + 4) return complete
        const length = head + sent.readInt32BE(head)
        if (sent.length < length) return complete
        const bytes = sent.subarray(0, length)
        sent = sent.subarray(length)
        const type = String.fromCharCode(bytes[0] ?? 0)
        const request = isTagged ? tagged({ bytes, type }) : untagged(bytes)
        if (request) complete.push(request)
      }
    },
    answers(chunk) {
      received = Buffer.concat([received, chunk])
      let complete = 0
      while (bare > 0 && received.length > 0) {
        received = received.subarray(1)
        bare--
        complete++
      }
      while (received.length >= 5 && received.length > received.readInt32BE(1)) {
        // ReadyForQuery ends every answer and says whether a transaction is open.
        if (received[0] === 0x5a) {
          complete++
          isOpen = received[5] !== 0x49
        }
        received = received.subarray(1 + received.readInt32BE(1))
      }
      return complete
    },
    inTransaction: () => isOpen,
  }
}
