import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { decodeJwt, exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { type Child, startChild, temporaryFolder } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { alice, api, furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import { forgeries, misissued } from '../support/forgeries.ts'
import { freePort } from '../support/free-port.ts'
import { exchange } from '../support/http-exchange.ts'
import { printNotice, servicesRequired } from '../support/root-hooks.ts'
import { createUserAgent } from '../support/user-agent.ts'

/** Debian's Python, which finds Debian's packages. */
const python = '/usr/bin/python3'
const program = fileURLToPath(new URL('authlib-application.py', import.meta.url))

function authlibFound(): boolean {
  try {
    const imports = 'import authlib.integrations.requests_client'
    execFileSync(python, ['-c', imports], { stdio: 'ignore' })
    return true
  } catch {
    const what = 'NOT TESTED with Authlib: no python3-authlib on this machine.'
    if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for it.`)
    printNotice(what, 'Debian: apt-get install python3-authlib python3-requests.')
    return false
  }
}

describe('Python Authlib', () => {
  let server: TestServer
  let application: Child
  let origin: string

  before(async function () {
    if (!authlibFound()) return this.skip()
    server = await boot(anyStorage)
    await furnish(server)
    const port = await freePort()
    origin = `http://localhost:${port}`
    const redirectUri = `${origin}/callback`
    const [keys, machineKeys] = [await makeKey(), await makeKey()]
    const declare = (client: object) => server.core.clients.declare(defaultTenant, client)
    await declare({ ...web, redirect_uris: [redirectUri] })
    await declare({
      ...web,
      client_id: 'signer',
      client_secret: undefined,
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: keys.jwks,
    })
    await declare({
      client_id: 'service',
      grant_types: machine.grant_types,
      scope: machine.scope,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: machineKeys.jwks,
    })
    const scope = 'openid email profile'
    const of = ({ client_id, client_secret }: typeof machine | typeof web | typeof ordersApi) => ({
      client_id,
      secret: client_secret,
      method: 'client_secret_basic',
    })
    const signing = { method: 'private_key_jwt' }
    const configuration = join(await temporaryFolder('authlib'), 'configuration.json')
    const content = {
      port,
      issuer: server.issuer,
      redirect_uri: redirectUri,
      audience: api,
      clients: {
        web: { ...of(web), scope },
        signer: { ...signing, client_id: 'signer', secret: keys.pem, scope },
        machine: of(machine),
        service: { ...signing, client_id: 'service', secret: machineKeys.pem },
        orders: of(ordersApi),
      },
    }
    await writeFile(configuration, JSON.stringify(content))
    application = await startChild(python, [program, configuration], { env: {} })
    await eventually('the application answers', async () => {
      if (application.ended()) return true
      return (await fetch(origin)).status === 401
    })
    expect(application.ended(), application.stderr()).to.equal(undefined)
  })
  after(async () => {
    await application?.stop()
    await server?.stop()
  })

  async function makeKey() {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
    return {
      pem: await exportPKCS8(privateKey),
      jwks: { keys: [{ ...(await exportJWK(publicKey)), use: 'sig', alg: 'ES256' }] },
    }
  }

  async function ask(path: string, token?: string, status = 200) {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const page = await exchange({ method: 'GET', url: new URL(path, origin), headers })
    expect(page.status, page.body + application.stderr()).to.equal(status)
    return page.json() as Record<string, string> & Record<'id_token' | 'userinfo', object>
  }

  for (const client of ['web', 'signer']) {
    it(`${client}: signs in with PKCE, refreshes and revokes (K-40)`, async () => {
      const agent = createUserAgent({ origin })
      const away = await agent.get(`/login/${client}`)
      const back = await agent.walk(away.location as URL, {
        username: alice.email,
        password: alice.password,
      })
      const { id_token, userinfo, access_token = '' } = await ask(back.href)
      expect(id_token).to.include({ aud: client, email: alice.email })
      expect(userinfo).to.include({ sub: decodeJwt(access_token).sub, name: alice.name })

      const next = await ask(`/refresh/${client}`)
      expect(next['access_token']).not.to.equal(access_token)
      expect(await ask(`/introspect/${client}`, next['access_token'])).to.include({ active: true })
      expect(await ask(`/revoke/${client}`)).to.deep.equal({ status: 200 })
      expect(await ask(`/introspect/${client}`, next['access_token'])).to.deep.equal({
        active: false,
      })
      const refused = await ask(`/refresh/${client}`, undefined, 401)
      expect(refused['fault']).to.include('invalid_grant')
    })
  }

  for (const client of ['machine', 'service']) {
    it(`${client}: gets a token that an introspecting and a verifying API accept (K-43)`, async () => {
      const { access_token: token } = await ask(`/credentials/${client}`)
      expect(await ask('/introspect/orders', token)).to.include({ active: true, client_id: client })
      expect(await ask('/api', token)).to.include({ client_id: client, scope: 'orders:read' })
    })
  }

  it('refuses forged and misissued tokens (K-43)', async () => {
    const { access_token: token = '' } = await ask('/credentials/machine')
    await ask('/api', token)
    // Only the server can detect these.
    const online = ['no jti', 'another tenant', 'an unknown client']
    const misissuedTokens = await misissued(server, defaultTenant, token)
    for (const [what, forged] of [
      ...(await forgeries(server, token)),
      ...misissuedTokens.filter(([name]) => !online.includes(name)),
    ]) {
      expect(await ask('/api', forged, 401), what).to.have.all.keys('fault')
    }
  })
})
