import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Page as Tab } from 'playwright-core'
import { freePort } from '../support/free-port.ts'

/** A web site on another origin than the server: a relying party's, or an attacker's. */
export interface Site {
  readonly origin: string
  /** What was sent to it, the last one last: the address, with the form that came with it as a query. */
  readonly visits: URL[]
  /** The HTML of its pages. */
  html: string
  stop(): Promise<void>
}

async function visitOf(request: IncomingMessage, origin: string): Promise<URL> {
  const url = new URL(request.url ?? '/', origin)
  if (request.method === 'POST') url.search = await text(request)
  return url
}

/** Starts a site on 127.0.0.1, which browsers take for another site than localhost. */
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

/** Collects what a tab complains about: violations of the policy, script errors, dialogs, failed requests. */
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
