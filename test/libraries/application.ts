import type { AddressInfo } from 'node:net'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import type { TestServer } from '../support/boot.ts'
import { alice } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import type { UserAgent } from '../support/user-agent.ts'

/** A relying party or an API on Express, on 127.0.0.1, which is another site than the server's localhost. */
export interface Application {
  readonly origin: string
  readonly app: Express
  stop(): void
}

/** Starts an application without routes. */
export async function startApplication(): Promise<Application> {
  const app = express()
  const listener = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  return {
    origin: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    app,
    stop() {
      listener.closeAllConnections()
      listener.close()
    },
  }
}

/** Answers with a library's error as the page, so that a test can show it. */
export function answerWithErrors({ app }: Application): void {
  app.use((error: Error, _request: Request, response: Response, _next: NextFunction) => {
    response.status(500).send(`${error.name}: ${error.message}`)
  })
}

/**
 * Goes from a page that redirects to the server through sign-in and consent back to the application.
 *
 * @returns the application's page, after its own redirects
 */
export async function signInFrom(start: Page, agent: UserAgent, server: TestServer): Promise<Page> {
  if (start.location === undefined) throw new Error(`no redirect (${start.status}): ${start.body}`)
  const credentials = { username: alice.email, password: alice.password }
  const returned = await agent.walk(start.location, credentials)
  return agent.follow(await agent.get(returned, { from: await agent.get(server.issuer) }))
}
