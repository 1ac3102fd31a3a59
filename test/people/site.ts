import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Page as Tab } from 'playwright-core'
import { freePort } from '../support/free-port.ts'

/** A web site on another origin than the server: a relying party or an attacker. */
export interface Site {
  readonly origin: string
  /** Requests to it, the latest last: the address, with a posted form as its query. */
  readonly visits: URL[]
  /** The body of every page. */
  html: string
  stop(): Promise<void>
}

async function visitOf(request: IncomingMessage, origin: string): Promise<URL> {
  const url = new URL(request.url ?? '/', origin)
  if (request.method === 'POST') url.search = await text(request)
  return url
}

/** Starts a site on 127.0.0.1, which for browsers is another site than localhost. */
export async function startSite(): Promise<Site> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const site = { origin, visits: [] as URL[], html: '<h1>Relying party</h1>' }
  const server = createServer((request, response) => {
    visitOf(request, origin).then(
      (url) => {
        site.visits.push(url)
        response.setHeader('content-type', 'text/html; charset=utf-8')
        response.end(`<!doctype html><link rel="icon" href="data:,"><body>${site.html}`)
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return Object.assign(site, {
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  })
}

/** Collects the console errors and warnings, script errors and dialogs of a tab. */
export function complaintsOf(tab: Tab): string[] {
  const complaints: string[] = []
  tab.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      complaints.push(`${message.text()} at ${tab.url()}`)
    }
  })
  tab.on('pageerror', (error) => complaints.push(`script: ${error.message}`))
  tab.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    dialog.dismiss().catch(() => undefined)
  })
  return complaints
}
