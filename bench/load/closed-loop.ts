import { connect } from 'node:net'

export interface Loop {
  /** Requests that were answered, per second. */
  rate: number
  /** Milliseconds, one for each request. */
  latencies: number[]
  /** Status → how many. */
  statuses: Record<string, number>
}

/**
 * GET over and over on a few connections that are kept, each asking again as soon as it has its answer. Sockets, not
 * `http`, whose client costs more than the server that is measured.
 */
export async function closedLoop(
  url: URL,
  options: { connections: number; milliseconds: number; headers?: Record<string, string> },
): Promise<Loop> {
  const lines = Object.entries({ Host: url.host, ...options.headers })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const request = `GET ${url.pathname} HTTP/1.1\r\n${head}\r\n`
  const loop: Loop = { rate: 0, latencies: [], statuses: {} }
  const started = performance.now()
  const until = started + options.milliseconds
  await Promise.all(
    Array.from({ length: options.connections }, () => converse(url, request, until, loop)),
  )
  loop.rate = loop.latencies.length / ((performance.now() - started) / 1000)
  return loop
}

function converse(url: URL, request: string, until: number, loop: Loop): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect(Number(url.port), url.hostname)
  let text = ''
  let asked = 0
  const ask = () => {
    asked = performance.now()
    socket.write(request)
  }
  socket.setNoDelay(true).setEncoding('latin1')
  socket.on('connect', ask).on('error', reject)
  socket.on('data', (chunk: unknown) => {
    text += String(chunk)
    const status = answerIn(text)
    if (status === undefined) return
    text = ''
    const now = performance.now()
    loop.latencies.push(now - asked)
    loop.statuses[status] = (loop.statuses[status] ?? 0) + 1
    if (now < until) ask()
    else {
      socket.destroy()
      resolve()
    }
  })
  return promise
}

/** The status of an answer once all of it is there. */
export function answerIn(text: string): string | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const status = text.slice(9, 12)
  const length = status === '304' ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1])
  return text.length - end - 4 >= length ? status : undefined
}
