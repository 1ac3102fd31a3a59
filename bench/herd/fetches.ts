import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { answerIn } from '../load/connection.ts'

/**
 * A program: half a second after its start, simulates `count` verifiers with empty caches that fetch an address within
 * one second, each on its own connection, whether or not others have been answered. Prints status → count.
 */
const [address = '', count = ''] = process.argv.slice(2)
const url = new URL(address)
const request = `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n\r\n`
const statuses: Record<string, number> = {}

function fetchOnce(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = connect(Number(url.port), url.hostname)
  let text = ''
  socket.setEncoding('latin1')
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  socket.on('connect', () => void socket.write(request))
  socket.on('data', (chunk: unknown) => {
    text += String(chunk)
    const answer = answerIn(text)
    if (answer !== undefined) resolve(String(answer.status))
  })
  return promise
}

// The start of the process must not count.
await pause(500)
const fetches: Promise<void>[] = []
const started = performance.now()
while (fetches.length < Number(count)) {
  const due = Math.min(
    Number(count),
    Math.ceil((performance.now() - started) * (Number(count) / 1000)),
  )
  while (fetches.length < due) {
    fetches.push(
      fetchOnce().then((status) => {
        statuses[status] = (statuses[status] ?? 0) + 1
      }),
    )
  }
  await pause(1)
}
await Promise.all(fetches)
console.log(JSON.stringify({ statuses, seconds: (performance.now() - started) / 1000 }))
