import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import express from 'express'
import library from 'express-openid-connect'
import type { Account } from '../../src/accounts/account.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { boot, onEachStorage, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const { auth, requiresAuth } = library

/** Sessions of the application, as a store of express-session. */
function sessionStore() {
  const kept = new Map<string, never>()
  type Done = (error?: unknown, value?: never) => void
  return {
    get: (id: string, done: Done) => done(null, kept.get(id)),
    set: (id: string, value: never, done?: Done) => {
      kept.set(id, value)
      done?.(null)
    },
    destroy: (id: string, done?: Done) => {
      kept.delete(id)
      done?.(null)
    },
  }
}

/** An application on express-openid-connect that signs its users out when it is told to. */
async function startApplication(server: TestServer, sessionRequired: boolean) {
  const app = express()
  const listener = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const baseURL = `http://localhost:${(listener.address() as AddressInfo).port}`
  const client = { clientID: 'express', clientSecret: 'the-secret-of-an-express-app' }
  remember(client.clientSecret)
  await server.core.clients.declare(defaultTenant, {
    client_id: client.clientID,
    client_secret: client.clientSecret,
    redirect_uris: [`${baseURL}/callback`],
    backchannel_logout_uri: `${baseURL}/backchannel-logout`,
    backchannel_logout_session_required: sessionRequired,
  })
  const store = sessionStore() as never
  app.use(
    auth({
      ...client,
      baseURL,
      issuerBaseURL: server.issuer,
      secret: 'what the application signs its own cookies with',
      authRequired: false,
      authorizationParams: { response_type: 'code', scope: 'openid' },
      clientAuthMethod: 'client_secret_basic',
      session: { store },
      backchannelLogout: { store },
    }),
  )
  app.get('/', (_request, response) => void response.send('welcome'))
  app.get(
    '/me',
    requiresAuth(),
    (request, response) => void response.send(request.oidc.user?.['sub']),
  )
  return {
    baseURL,
    isSignedIn: async (agent: UserAgent) => (await agent.get(`${baseURL}/me`)).status === 200,
    stop: () => {
      listener.closeAllConnections()
      listener.close()
    },
  }
}

async function signIn(server: TestServer, baseURL: string): Promise<UserAgent> {
  const agent = createUserAgent()
  const toServer = await agent.get(`${baseURL}/login`)
  const returned = await agent.walk(toServer.location as URL, {
    username: alice.email,
    password: alice.password,
  })
  await agent.get(returned, { from: await agent.get(server.issuer) })
  return agent
}

onEachStorage('back-channel log-out of express-openid-connect (P-070)', (kind) => {
  for (const sessionRequired of [true, false]) {
    it(`ends ${sessionRequired ? 'the one session, and later all' : 'what the person has there'}`, async () => {
      const server = await boot(kind, { ALLOW_LOOPBACK_FETCH: 'on' })
      await furnish(server)
      const app = await startApplication(server, sessionRequired)
      try {
        const [laptop, phone] = [
          await signIn(server, app.baseURL),
          await signIn(server, app.baseURL),
        ]
        expect([await app.isSignedIn(laptop), await app.isSignedIn(phone)]).to.deep.equal([
          true,
          true,
        ])

        await laptop.submit(await laptop.get(`${server.issuer}/logout`))
        await eventually('the laptop is signed out', async () => !(await app.isSignedIn(laptop)))
        // Without backchannel_logout_session_required this library takes the `sub` for everything.
        expect(await app.isSignedIn(phone)).to.equal(sessionRequired)

        const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
        await server.core.revocations.logOutEverywhere(account as Account)
        await eventually('the phone is signed out', async () => !(await app.isSignedIn(phone)))
        await eventually('both are written down', async () =>
          (await server.core.logouts.list(defaultTenant, {})).every(
            ({ state, attempts }) => state === 'delivered' && attempts === 1,
          ),
        )
      } finally {
        app.stop()
        await server.stop()
      }
    }).timeout(60_000)
  }
})
