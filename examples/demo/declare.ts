import { readFile } from 'node:fs/promises'
import type { JWK } from 'jose'
import { parse } from 'yaml'
import { at, listeners, type Places } from './parts.ts'

interface ApplyFile {
  clients: { client_id: string; jwks?: { keys: JWK[] } }[]
}

/** The demo's apply file as JSON, with the chosen ports and the machine's public key. */
export async function declaration({ ports }: Places, machine: JWK): Promise<string> {
  const text = await readFile(new URL('../demo.yaml', import.meta.url), 'utf8')
  // One pass, so that a port that is another's default is not replaced twice.
  const placed = text.replaceAll(/http:\/\/localhost:(\d+)/g, (address, port: string) => {
    const known = listeners.find((listener) => listener.port === Number(port))
    return known ? at(ports[known.part]) : address
  })
  const file = parse(placed) as ApplyFile
  for (const client of file.clients) {
    if (client.client_id === 'nightly-report') client.jwks = { keys: [machine] }
  }
  return JSON.stringify(file)
}
