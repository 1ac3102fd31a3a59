import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import {
  discoverAuthorizationServerMetadata,
  UnauthorizedError,
} from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import {
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
} from '@modelcontextprotocol/sdk/server/auth/router.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type {
  OAuthClientInformationFull,
  OAuthTokens,
} from '@modelcontextprotocol/sdk/shared/auth.js'
import { expect } from 'chai'
import express from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { requiredAlgs } from '../../src/signing/signing-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { createAuthority, trust } from '../support/certificates.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { type Application, startApplication } from './application.ts'
import { declareAsDocumented } from './guide.ts'

describe('the TypeScript SDK of MCP', () => {
  let server: TestServer
  let application: Application
  let api: string

  before(async () => {
    server = await boot(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
    application = await startApplication()
    api = `${application.origin}/mcp`
    await declareAsDocumented(server, 'MCP', { 'https://api.example.com/mcp': api })
    await startApi(application.app)
  })
  afterEach(backToPresent)
  after(async () => {
    application?.stop()
    await server?.stop()
  })

  /** An MCP server with one tool, which verifies access tokens offline. */
  async function startApi(app: express.Express): Promise<void> {
    const { issuer } = server
    type Claims = { client_id: string; scope: string }
    const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
    const about = { issuer, audience: api, typ: 'at+jwt', algorithms: ['ES256'] }
    async function verifyAccessToken(token: string) {
      const { payload } = await jwtVerify<Claims>(token, keys, about).catch(() => {
        throw new InvalidTokenError('not a token of this API')
      })
      return {
        token,
        clientId: payload.client_id,
        scopes: payload.scope.split(' '),
        expiresAt: Number(payload.exp),
        resource: new URL(api),
      }
    }
    const oauthMetadata = await discoverAuthorizationServerMetadata(issuer)
    if (!oauthMetadata) throw new Error('no metadata')
    const resourceServerUrl = new URL(api)
    app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl }))
    const guard = requireBearerAuth({
      verifier: { verifyAccessToken },
      expectedResource: resourceServerUrl,
      resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resourceServerUrl),
    })
    app.post('/mcp', guard, express.json(), async (request, response) => {
      const mcp = new McpServer({ name: 'tools', version: '1.0.0' })
      mcp.registerTool('scopes', { description: 'What I may do' }, ({ authInfo }) => ({
        content: [{ type: 'text', text: authInfo?.scopes.join(' ') ?? '' }],
      }))
      const transport = new StreamableHTTPServerTransport()
      await mcp.connect(transport)
      await transport.handleRequest(request, response, request.body)
    })
    app.all('/mcp', (_request, response) => void response.status(405).end())
  }

  /** What an MCP client stores, and the authorization URLs it would have opened. */
  function createProvider() {
    const { issuer } = server
    const kept: { tokens?: OAuthTokens; verifier?: string; asked: URL[] } = { asked: [] }
    const redirectUrl = 'http://127.0.0.1:61234/callback'
    const provider: OAuthClientProvider = {
      redirectUrl,
      clientMetadata: { client_name: 'MCP client', redirect_uris: [redirectUrl] },
      clientInformation: () => ({ client_id: 'mcp-client', issuer }),
      tokens: () => kept.tokens,
      saveTokens: (tokens) => void (kept.tokens = tokens),
      invalidateCredentials: () => void delete kept.tokens,
      redirectToAuthorization: (url) => void kept.asked.push(url),
      saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
      codeVerifier: () => kept.verifier ?? '',
    }
    return { kept, provider }
  }

  const refusalOf = (attempt: Promise<unknown>) =>
    attempt.then(
      () => undefined,
      (error: unknown) => error,
    )

  it('finds the metadata of an issuer with a path (P-066)', async () => {
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await server.core.signing.ensure('acme', requiredAlgs)
    const issuer = `${server.issuer}/t/acme`
    const found = await discoverAuthorizationServerMetadata(issuer)
    expect(found).to.include({ issuer, token_endpoint: `${issuer}/token` })
  })

  it('registers itself where the policy allows it, and reaches an open resource (P-093, RFC 7591)', async () => {
    const { registrationPolicies, resources, clients } = server.core
    const policy = registrationPolicy.parse({
      mode: 'open',
      hosts: ['127.0.0.1'],
      scopes: ['tools:use'],
    })
    await registrationPolicies.declare(defaultTenant, policy)
    await eventually('the registration endpoint is advertised', async () => {
      const found = await discoverAuthorizationServerMetadata(server.issuer)
      return found?.registration_endpoint !== undefined
    })
    const { kept, provider } = createProvider()
    const own: { client?: OAuthClientInformationFull } = {}
    const registering: OAuthClientProvider = {
      ...provider,
      clientMetadata: {
        client_name: 'MCP client of its own',
        redirect_uris: [String(provider.redirectUrl)],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'none',
      },
      clientInformation: () => own.client,
      saveClientInformation: (client) => void (own.client = client as OAuthClientInformationFull),
    }
    const connect = async () => {
      const authProvider = registering
      const transport = new StreamableHTTPClientTransport(new URL(api), { authProvider })
      const client = new Client({ name: 'test', version: '1.0.0' })
      return { client, transport, fault: await refusalOf(client.connect(transport)) }
    }
    const declared = await resources.find(defaultTenant, api)
    await resources.declare(defaultTenant, { ...declared, open: true })
    const { transport, fault: unauthorized } = await connect()
    expect(unauthorized).to.be.instanceOf(UnauthorizedError)
    const id = own.client?.client_id ?? ''
    expect((await clients.find(defaultTenant, id))?.selfRegistered).to.equal(true)
    const credentials = { username: alice.email, password: alice.password }
    const [request] = kept.asked
    const returned = await createUserAgent().walk(request ?? '', credentials)
    await transport.finishAuth(returned.searchParams.get('code') ?? '')
    const { client, fault } = await connect()
    expect(fault).to.equal(undefined)
    const { content } = await client.callTool({ name: 'scopes' })
    expect(content).to.deep.equal([{ type: 'text', text: 'tools:use' }])
    await client.close()
  })

  it('uses a metadata document where the policy allows it, down to a silent refresh (P-089, P-092, K-08)', async () => {
    const authority = await createAuthority()
    trust(authority)
    const names = [{ type: 'dns', value: 'localhost' }] as const
    const host = await startDocumentHost(
      await authority.issue('CN=localhost', { names: [...names] }),
    )
    const { registrationPolicies, resources, clients } = server.core
    const policy = registrationPolicy.parse({
      client_id_metadata_documents: true,
      client_id_metadata_document_hosts: ['localhost'],
      scopes: ['tools:use'],
    })
    await registrationPolicies.declare(defaultTenant, policy)
    await eventually('the metadata advertises documents', async () => {
      const found = await discoverAuthorizationServerMetadata(server.issuer)
      return found?.client_id_metadata_document_supported === true
    })
    await resources.declare(defaultTenant, {
      ...(await resources.find(defaultTenant, api)),
      open: true,
    })
    const { kept, provider } = createProvider()
    // The document has no port, as the client's port varies.
    const clientMetadataUrl = host.publish('/mcp/client.json', {
      client_name: 'MCP client of a site',
      redirect_uris: ['http://127.0.0.1/callback'],
    })
    const own: { client?: OAuthClientInformationFull } = {}
    const authProvider: OAuthClientProvider = {
      ...provider,
      clientMetadataUrl,
      clientInformation: () => own.client,
      saveClientInformation: (client) => void (own.client = client as OAuthClientInformationFull),
    }
    const connect = async () => {
      const transport = new StreamableHTTPClientTransport(new URL(api), { authProvider })
      const client = new Client({ name: 'test', version: '1.0.0' })
      return { client, transport, fault: await refusalOf(client.connect(transport)) }
    }
    try {
      const { transport, fault: unauthorized } = await connect()
      expect(unauthorized).to.be.instanceOf(UnauthorizedError)
      expect(own.client?.client_id).to.equal(clientMetadataUrl)
      const credentials = { username: alice.email, password: alice.password }
      const returned = await createUserAgent().walk(kept.asked[0] ?? '', credentials)
      expect(returned.port).to.equal('61234')
      await transport.finishAuth(returned.searchParams.get('code') ?? '')
      const { client, fault } = await connect()
      expect(fault).to.equal(undefined)
      const call = async () => (await client.callTool({ name: 'scopes' })).content
      expect(await call()).to.deep.equal([{ type: 'text', text: 'tools:use' }])
      expect((await clients.find(defaultTenant, clientMetadataUrl))?.fromDocument).to.equal(true)
      const before = kept.tokens?.refresh_token
      travel(3600)
      expect(await call()).to.deep.equal([{ type: 'text', text: 'tools:use' }])
      expect(kept.asked, 'authorization requests').to.have.length(1)
      expect(kept.tokens?.refresh_token).to.be.a('string').and.not.equal(before)
      expect(
        host.asked.get('/mcp/client.json'),
        'fetches of the document, with one after it had expired',
      ).to.equal(2)
      await client.close()
    } finally {
      host.stop()
    }
  })

  it('with a declared client: 401, metadata of resource and server, PKCE, resource, call, silent refresh, no scope (K-01, K-45)', async () => {
    const { kept, provider } = createProvider()
    const connect = async () => {
      const transport = new StreamableHTTPClientTransport(new URL(api), { authProvider: provider })
      const client = new Client({ name: 'test', version: '1.0.0' })
      const fault = await refusalOf(client.connect(transport))
      return { client, transport, fault }
    }
    const first = await connect()
    expect(first.fault).to.be.instanceOf(UnauthorizedError)
    const [request] = kept.asked
    if (!request) throw new Error('the SDK sent no authorization request')
    const parameters = Object.fromEntries(request.searchParams)
    expect(parameters).to.include({ resource: api, code_challenge_method: 'S256' })
    expect(parameters).not.to.have.property('scope')

    const credentials = { username: alice.email, password: alice.password }
    const returned = await createUserAgent().walk(request, credentials)
    await first.transport.finishAuth(returned.searchParams.get('code') ?? '')
    const { client, fault } = await connect()
    expect(fault).to.equal(undefined)
    const call = async () => (await client.callTool({ name: 'scopes' })).content
    expect(await call()).to.deep.equal([{ type: 'text', text: 'tools:use' }])

    const before = kept.tokens
    travel(3600)
    expect(await call()).to.deep.equal([{ type: 'text', text: 'tools:use' }])
    expect(kept.asked).to.have.length(1)
    expect(kept.tokens?.access_token).not.to.equal(before?.access_token)
    expect(kept.tokens?.refresh_token).to.be.a('string').and.not.equal(before?.refresh_token)

    const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
    await server.core.revocations.revokeGrant(defaultTenant, account?.id ?? '', 'mcp-client')
    travel(3600)
    expect(await refusalOf(call())).to.be.instanceOf(UnauthorizedError)
    expect(kept.asked, 'the user has to consent again').to.have.length(2)
    await client.close()
  })
})
