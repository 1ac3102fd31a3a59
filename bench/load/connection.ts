import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** A response; `head` is its unparsed header. */
export interface Answer {
  status: number
  head: string
  body: string
}

/** A persistent connection that carries one request at a time. */
export interface Connection {
  /** Sends a request and reads the whole response; reconnects first if the other side has closed. */
  ask(request: string): Promise<Answer>
  /** Connects before the first request. */
  open(): Promise<void>
  close(): void
}

/** Timeout of a response, in milliseconds. */
const patience = 15_000

/**
 * HTTP/1.1 on a plain socket: HTTP client libraries cost more processor time than the servers under measurement. Text
 * is latin1, so its length is the length in bytes.
 */
export function openConnection(origin: URL): Connection {
  const secure = origin.protocol === 'https:'
  const port = Number(origin.port || (secure ? 443 : 80))
  let socket: Socket | undefined
  let text = ''
  let pending: PromiseWithResolvers<Answer> | undefined

  function settle(end: { answer: Answer } | { error: Error }): void {
    const waiting = pending
    pending = undefined
    text = ''
    if ('answer' in end) waiting?.resolve(end.answer)
    else waiting?.reject(end.error)
  }

  function open(): Socket {
    const opened = secure
      ? connectTls({ host: origin.hostname, port, servername: origin.hostname })
      : connect(port, origin.hostname)
    opened.setNoDelay(true).setEncoding('latin1')
    opened.on('data', (chunk: unknown) => {
      text += String(chunk)
      try {
        const answer = answerIn(text)
        if (answer === undefined) return
        if (/\r\nconnection: close/i.test(answer.head)) {
          socket = undefined
          opened.destroy()
        }
        settle({ answer })
      } catch (error) {
        opened.destroy(error as Error)
      }
    })
    opened.setTimeout(patience, () => opened.destroy(new Error(`no response in ${patience} ms`)))
    // Errors of a socket that has been replaced do not affect its successor.
    const over = (error: Error) => {
      if (socket !== opened) return
      socket = undefined
      settle({ error })
    }
    opened.on('error', over)
    opened.on('close', () => over(new Error('connection closed')))
    return opened
  }

  return {
    ask(request) {
      pending = Promise.withResolvers<Answer>()
      if (socket === undefined || socket.destroyed) socket = open()
      socket.write(request, 'latin1')
      return pending.promise
    },
    async open() {
      socket = open()
      await once(socket, secure ? 'secureConnect' : 'connect')
    },
    close() {
      socket?.destroy()
    },
  }
}

const withoutBody = new Set([204, 304])

/** The response at the start of a text; undefined while incomplete. @throws Error if it has no length */
export function answerIn(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const status = Number(head.slice(9, 12))
  const rest = end + 4
  if (withoutBody.has(status)) return { status, head, body: '' }
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) {
    if (text.length - rest < Number(length)) return undefined
    return { status, head, body: text.slice(rest, rest + Number(length)) }
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) throw new Error('response without a length')
  const body = chunksIn(text, rest)
  return body === undefined ? undefined : { status, head, body }
}

/** The content of a chunked body (RFC 9112 §7.1); undefined while incomplete. Trailers are not supported. */
function chunksIn(text: string, from: number): string | undefined {
  let body = ''
  for (let at = from; ; ) {
    const line = text.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(text.slice(at, line), 16)
    if (text.length < line + 4 + size) return undefined
    if (size === 0) return body
    body += text.slice(line + 2, line + 2 + size)
    at = line + 4 + size
  }
}

/** The values of a header field, in order. */
export function fieldsOf({ head }: Answer, name: string): string[] {
  return [...head.matchAll(new RegExp(`\\r\\n${name}: *([^\\r]*)`, 'gi'))].map(
    ([, value]) => value ?? '',
  )
}
