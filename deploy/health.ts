import { request as overHttp } from 'node:http'
import { request as overTls } from 'node:https'
import { loadConfig } from '../config/load.ts'

/**
 * The health check of the image: whether the server in this container answers. It asks the address that the server
 * itself listens on, whose certificate is for another name.
 */
const { host, port, tlsCertFile } = loadConfig()
const anywhere: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
const address = { host: anywhere[host] ?? host, port, path: '/healthz', timeout: 4000 }
const asked = tlsCertFile ? overTls({ ...address, rejectUnauthorized: false }) : overHttp(address)

function end(sound: boolean): never {
  process.exit(sound ? 0 : 1)
}
asked.on('response', ({ statusCode }) => end(statusCode === 200))
asked.on('timeout', () => end(false))
asked.on('error', () => end(false))
asked.end()
