import { expect } from 'chai'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { type SigningAlg, signingAlgs } from '../../src/signing/signing-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { activeKeys } from '../support/active-keys.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import { watchHoldUps } from '../support/hold-ups.ts'
import {
  expectRefusal,
  introspect,
  post,
  refresh,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { type SoftToken, softHsmFound, softToken, tokenProcesses } from '../support/token.ts'
import { dump } from '../support/witness.ts'

const kidOf = (jwt: string | undefined) => decodeProtectedHeader(jwt as string).kid as string

if (softHsmFound()) {
  onAnyStorage('signing keys in a PKCS#11 token', (kind) => {
    let token: SoftToken
    let server: TestServer

    before(async () => {
      token = await softToken()
      server = await boot(kind, token.env)
      await furnish(server)
      // Embedded storage is created with sealed keys.
      for (const { kid, alg } of (await server.core.signing.open(defaultTenant)).signing) {
        if (!idsIn().includes(kid)) await server.core.signing.revoke(defaultTenant, kid)
        await server.core.signing.ensure(defaultTenant, [alg])
      }
      await activeKeys(server.core, [...signingAlgs])
    })
    afterEach(backToPresent)
    after(() => server?.stop())

    const idsIn = () => token.keys().map(({ id }) => id)
    const signing = () => server.core.signing
    const signer = async (alg: SigningAlg) =>
      (await signing().current(defaultTenant)).signing.find((key) => key.alg === alg)

    async function verified(jwt: string | undefined, alg: SigningAlg, typ?: string) {
      const keys = (await (await fetch(`${server.issuer}/jwks`)).json()) as JSONWebKeySet
      return jwtVerify(jwt as string, createLocalJWKSet(keys), {
        algorithms: [alg],
        currentDate: new Date(Date.now()),
        ...(typ ? { typ } : {}),
      })
    }

    const machineToken = () =>
      post(server, '/token', machine, {
        grant_type: 'client_credentials',
        scope: 'orders:read',
        resource: api,
      })

    for (const alg of signingAlgs) {
      it(`sign ID, access and logout tokens with ${alg}, verified with the published key (RFC 7518 §3)`, async () => {
        const resource = `https://${alg.toLowerCase()}.example.com`
        const client = { ...web, client_id: `web-${alg}` }
        await server.core.resources.declare(defaultTenant, {
          identifier: resource,
          scopes: ['read'],
          access_token_signing_alg: alg,
          introspection_clients: [ordersApi.client_id],
        })
        await server.core.clients.declare(defaultTenant, {
          ...client,
          id_token_signed_response_alg: alg,
        })
        const scope = 'openid offline_access read'
        const tokens = await tokensFor(server, client, { scope, resource, prompt: 'consent' })
        const [idToken, accessToken] = await Promise.all([
          verified(tokens.id_token, alg),
          verified(tokens.access_token, alg, 'at+jwt'),
        ])
        expect(idToken.payload.aud).to.equal(client.client_id)
        expect(accessToken.payload.aud).to.equal(resource)
        expect(idsIn()).to.include.members([kidOf(tokens.id_token), kidOf(tokens.access_token)])
        await verified(tokensIn(await refresh(server, client, tokens)).access_token, alg)
        expect(await introspect(server, ordersApi, tokens.access_token)).to.include({
          active: true,
        })
        const logout = await signing().sign(defaultTenant, alg, 'logout+jwt', { sub: 'alice' })
        await verified(logout, alg, 'logout+jwt')
      })
    }

    it('never leave it: no private part is in the stores, and the token does not export any', async () => {
      const { published } = await signing().open(defaultTenant)
      expect(published.map(({ alg }) => alg)).to.have.members([...signingAlgs])
      const keys = token.keys()
      for (const { kid } of published) {
        expect(keys.find(({ id }) => id === kid)).to.deep.equal({
          label: `keyturn:default:${kid}`,
          id: kid,
          isSensitive: true,
          isExtractable: false,
          refusal: 'CKR_ATTRIBUTE_SENSITIVE',
        })
      }
      const rows = await server.core.database.query<{ private_jwk: string }>(
        'select private_jwk from signing_keys where revoked_at is null',
      )
      for (const { private_jwk: reference } of rows) {
        expect(reference).to.match(
          /^pkcs11:token=keyturn%20test;object=keyturn%3Adefault%3A[\w-]{43};type=private$/,
        )
      }
      const kept = await dump(server.core.database, server.env['REDIS_URL'])
      expect(kept).to.not.match(/"(d|p|q|dp|dq|qi)":\s*"/)
      expect(kept + server.logged()).to.not.contain(token.env['PKCS11_PIN'])
    })

    it('are destroyed in the token by `keys revoke`, and another one signs (R-10)', async () => {
      const { access_token: jwt } = tokensIn(await machineToken())
      const { replacement } = await signing().revoke(defaultTenant, kidOf(jwt))
      expect(idsIn()).to.include(replacement?.key.kid).and.not.include(kidOf(jwt))
      const { access_token: next } = tokensIn(await machineToken())
      expect(kidOf(next)).to.equal(replacement?.key.kid)
      expect(await introspect(server, ordersApi, jwt)).to.deep.equal({ active: false })
      expect(await introspect(server, ordersApi, next)).to.include({ active: true })
    })

    it('that lose a race to be the successor are destroyed', async () => {
      const kids = async (alg?: SigningAlg) =>
        (await signing().list(defaultTenant))
          .filter((key) => !alg || key.alg === alg)
          .map(({ kid }) => kid)
      const before = await kids('ES256')
      await Promise.all(Array.from({ length: 6 }, () => signing().rotate(defaultTenant, 'ES256')))
      const fresh = (await kids('ES256')).filter((kid) => !before.includes(kid))
      expect(fresh).to.have.length(1)
      expect(idsIn()).to.include(fresh[0])
      // The schedule may be making a key of another algorithm.
      await eventually('every key in the token has a row', async () => {
        const known = await kids()
        return idsIn().every((id) => known.includes(id))
      })
    })

    it('sign again at once after the process that has the token was killed', async () => {
      const [pid] = await tokenProcesses()
      process.kill(pid as number, 'SIGKILL')
      const answers = await Promise.all(Array.from({ length: 8 }, machineToken))
      for (const answer of answers) await verified(tokensIn(answer).access_token, 'ES256')
    })

    it('answer 503 after a bounded time while the token hangs, and delay nothing else', async () => {
      const { access_token: jwt } = tokensIn(await machineToken())
      const [pid] = await tokenProcesses()
      process.kill(pid as number, 'SIGSTOP')
      const [begun, heldUp] = [performance.now(), watchHoldUps()]
      let isOver = false
      const hanging = Promise.all([machineToken(), machineToken()]).finally(() => {
        isOver = true
      })
      expect(await introspect(server, ordersApi, jwt)).to.include({ active: true })
      expect((await fetch(`${server.issuer}/jwks`)).status).to.equal(200)
      expect(isOver, 'over before the requests that need no signature').to.equal(false)
      for (const page of await hanging) {
        expectRefusal(page, 503, 'temporarily_unavailable')
        expect(page.headers.get('retry-after')).to.equal('2')
      }
      expect(performance.now() - begun).to.be.within(4900, 8000 + heldUp())
      await verified(tokensIn(await machineToken()).access_token, 'ES256')
    })

    it('answer 503 while the token is missing, spend no refresh token, and sign when it is back', async () => {
      const tokens = await tokensFor(server, web, {
        scope: 'openid offline_access orders:read',
        resource: api,
        prompt: 'consent',
      })
      await token.remove()
      const [pid] = await tokenProcesses()
      process.kill(pid as number, 'SIGKILL')
      const page = await refresh(server, web, tokens)
      expectRefusal(page, 503, 'temporarily_unavailable')
      const refusal = await refusalOf(signing().check(), 'signing_unavailable')
      expect(refusal.message).to.contain('expected one token labelled "keyturn test"')
      await token.putBack()
      await eventually('the node signs again', async () => (await machineToken()).status === 200)
      await verified(tokensIn(await refresh(server, web, tokens)).access_token, 'ES256')
    })

    // The last test, as it moves the clock.
    it('rotate: published first, and destroyed in the token when nothing they signed is valid (R-09)', async () => {
      const before = (await signer('ES256'))?.kid as string
      // Made in an earlier test.
      const rotation = await signing().rotate(defaultTenant, 'ES256')
      const next = rotation?.next.kid as string
      expect(idsIn()).to.include.members([before, next])
      expect(kidOf(tokensIn(await machineToken()).access_token)).to.equal(before)
      travel(902)
      const { access_token: jwt } = tokensIn(await machineToken())
      expect(kidOf(jwt)).to.equal(next)
      await verified(jwt, 'ES256')
      travel(31 * 24 * 3600)
      await signing().sweep()
      expect(idsIn()).to.include(next).and.not.include(before)
      const [row] = await server.core.database.query<{ private_jwk: string | null }>(
        'select private_jwk from signing_keys where kid = $1',
        [before],
      )
      expect(row?.private_jwk).to.equal(null)
    })
  })
}
