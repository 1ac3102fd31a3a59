import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { prover } from '../support/dpop.ts'
import { eventually } from '../support/eventually.ts'
import {
  alice,
  api,
  furnish,
  furnishOpaque,
  machine,
  ordersApi,
  spa,
  web,
} from '../support/fixtures.ts'
import { expectRefusal, introspect, post, tokensFor, tokensIn } from '../support/protocol.ts'
import {
  askRevocations,
  denies,
  feedToken,
  openStream,
  revocations,
  verified,
} from '../support/revocations.ts'

const mail = 'https://mail.example.com'
const otherCallback = 'https://other.example/callback'
const hidden = { ...web, client_id: 'hidden', subject_type: 'pairwise' }
const hiddenElsewhere = { ...hidden, client_id: 'elsewhere', redirect_uris: [otherCallback] }
const mailApi = { ...ordersApi, client_id: 'mail-api', client_secret: 'the-secret-of-the-mail-api' }

describe('the revocation feed', () => {
  const server = booted(anyStorage, {}, furnish, furnishOpaque)
  let token: string
  before(async () => {
    await server.core.clients.declare(defaultTenant, mailApi)
    await server.core.resources.declare(defaultTenant, {
      identifier: mail,
      scopes: ['mail:send'],
      access_token_signing_alg: 'RS256',
      introspection_clients: [mailApi.client_id],
    })
    token = await feedToken(server, ordersApi)
  })

  const machineToken = async () =>
    tokensIn(
      await post(server, '/token', machine, { grant_type: 'client_credentials', resource: api }),
    ).access_token

  describe('access', () => {
    it('is granted to every client that may introspect, without further registration', async () => {
      const { scope, aud } = decodeJwt(token)
      expect(scope).to.equal('revocations:read')
      expect(aud).to.equal(`${server.issuer}/revocations`)
      expect((await revocations(server, token)).aud).to.equal(api)
    })

    it('is refused to other clients, and to clients on behalf of a user', async () => {
      const resource = `${server.issuer}/revocations`
      const asked = { grant_type: 'client_credentials', resource }
      expectRefusal(await post(server, '/token', machine, asked), 400, 'invalid_target')
      const unknown = { ...asked, scope: 'orders:read' }
      expectRefusal(await post(server, '/token', ordersApi, unknown), 400, 'invalid_scope')
      const returned = await tokensFor(server, web, { resource, scope: 'openid' }).then(
        () => 'let in',
        () => 'refused',
      )
      expect(returned).to.equal('refused')
    })

    it('requires a token for the feed, and an audience that the client introspects for', async () => {
      const none = await askRevocations(server, undefined)
      expectRefusal(none, 401, 'invalid_token')
      expect(none.headers.get('www-authenticate')).to.match(/^Bearer realm="revocations", DPoP/)
      const foreign = await askRevocations(server, await machineToken())
      expectRefusal(foreign, 401, 'invalid_token')
      expect(foreign.headers.get('www-authenticate')).to.include('error="invalid_token"')
      for (const audience of [mail, 'https://nobody.example.com']) {
        expectRefusal(await askRevocations(server, token, { audience }), 403, 'access_denied')
      }
      const stream = await openStream(server, token, { audience: mail })
      expect(stream.status).to.equal(403)
    })

    it('requires a proof of the key for a bound token (RFC 9449 §7.1)', async () => {
      const proof = await prover(server)
      const asked = {
        grant_type: 'client_credentials',
        resource: `${server.issuer}/revocations`,
      }
      const answer = await post(server, '/token', ordersApi, asked, { dpop: await proof() })
      const bound = tokensIn(answer).access_token
      expectRefusal(await askRevocations(server, bound), 401, 'invalid_token')
      const headers = {
        authorization: `DPoP ${bound}`,
        dpop: await proof(undefined, bound, '/revocations'),
      }
      const fields = { audience: api }
      expect((await askRevocations(server, undefined, fields, headers)).status).to.equal(200)
      const replayed = await askRevocations(server, undefined, fields, headers)
      expectRefusal(replayed, 401, 'invalid_token')
      const elsewhere = await proof(undefined, bound, '/userinfo')
      const misused = { ...headers, dpop: elsewhere }
      expectRefusal(await askRevocations(server, undefined, fields, misused), 401, 'invalid_token')
      const stream = await openStream(server, bound, fields, {
        authorization: `DPoP ${bound}`,
        dpop: await proof(undefined, bound, '/revocations/stream'),
      })
      await eventually('a first document arrives', () => stream.events[0])
      stream.close()
    })

    it('requires exactly one audience and no other parameter, and ignores malformed cursors', async () => {
      for (const fields of [
        {},
        { audience: '' },
        { audience: [api, api] },
        { audience: api, x: '1' },
      ]) {
        expectRefusal(await askRevocations(server, token, fields), 400, 'invalid_request')
      }
      for (const since of ['0', '1-', '1-zzzzzzzzzz', '-1', '😀', "'; drop table denials; --"]) {
        const claims = await revocations(server, token, { since })
        expect(claims.since, since).to.equal(undefined)
      }
    })
  })

  describe('the document', () => {
    it('is a JWT with its own type, signed with the algorithm of the resource server’s tokens', async () => {
      const { body, headers } = await askRevocations(server, token)
      expect(headers.get('content-type')).to.equal('application/revocations+jwt')
      expect(headers.get('cache-control')).to.equal('private, max-age=1')
      expect(decodeProtectedHeader(body)).to.include({ alg: 'ES256', typ: 'revocations+jwt' })
      const other = await feedToken(server, mailApi)
      const { body: ofMail } = await askRevocations(server, other, { audience: mail })
      expect(decodeProtectedHeader(ofMail).alg).to.equal('RS256')
      const claims = await verified(server, ofMail, mail)
      expect((claims.exp as number) - (claims.iat as number)).to.equal(30)
      expect(Date.now() - claims.as_of).to.be.within(-1000, 30_000)
    })

    it('is not accepted as an access token (RFC 8725 §3.11)', async () => {
      const { body } = await askRevocations(server, token)
      expect(await introspect(server, ordersApi, body)).to.deep.equal({ active: false })
      expectRefusal(await askRevocations(server, body), 401, 'invalid_token')
    })

    it('names revoked tokens of its own audience only', async () => {
      const before = await revocations(server, token)
      const issued = await machineToken()
      expect(denies(before.revoked, decodeJwt(issued))).to.equal(false)
      await post(server, '/revoke', machine, { token: issued })
      const after = await revocations(server, token, { since: before.cursor })
      expect(denies(after.revoked, decodeJwt(issued))).to.equal(true)
      const { jti, exp } = decodeJwt(issued)
      const [issuedUpTo, until] = after.revoked['jti']?.[jti as string] ?? []
      expect(issuedUpTo).to.equal(null)
      expect(until).to.be.at.least(exp as number)
      const ofMail = await revocations(server, await feedToken(server, mailApi), {}, mail)
      expect(ofMail.revoked).to.not.have.property('jti')
    })

    it('names a family after its refresh token is revoked, for the audiences of its tokens only', async () => {
      const tokens = await tokensFor(server, spa, { resource: api, scope: 'openid orders:read' })
      const { cursor: since } = await revocations(server, token)
      await post(server, '/revoke', spa, { token: tokens.refresh_token })
      const { fid } = decodeJwt(tokens.access_token)
      const { revoked } = await revocations(server, token, { since })
      expect(revoked['fid']).to.have.property(fid as string)
      const ofMail = await revocations(server, await feedToken(server, mailApi), { since }, mail)
      expect(ofMail.revoked['fid'] ?? {}).to.not.have.property(fid as string)
    })

    it('continues from a cursor, and is complete without one', async () => {
      const whole = await revocations(server, token)
      expect(whole.since).to.equal(undefined)
      const delta = await revocations(server, token, { since: whole.cursor })
      expect(delta.since).to.equal(whole.cursor)
      expect(delta.as_of).to.be.at.least(whole.as_of)
    })

    it('is cached for a second, and revalidated with 304', async () => {
      const first = await askRevocations(server, token)
      const etag = first.headers.get('etag') as string
      const again = await askRevocations(server, token, undefined, { 'if-none-match': etag })
      if (again.status !== 304) expect(again.headers.get('etag')).to.not.equal(etag)
      const renewed = await eventually('another document is served', async () => {
        const page = await askRevocations(server, token, undefined, { 'if-none-match': etag })
        return page.status === 200 && page
      })
      expect((await verified(server, renewed.body)).as_of).to.be.above(
        (await verified(server, first.body)).as_of,
      )
    })

    it('is compressed if it is large enough', async () => {
      const many = Array.from({ length: 200 }, (_, i) => ({
        kind: 'family' as const,
        subject: `compressed-${i}`,
      }))
      await server.core.denials.add(defaultTenant, many)
      const url = new URL(`${server.issuer}/revocations?audience=${encodeURIComponent(api)}`)
      for (const coding of ['gzip', 'br']) {
        const response = await eventually('a compressed document is served', async () => {
          const headers = { authorization: `Bearer ${token}`, 'accept-encoding': coding }
          const answer = await fetch(url, { headers })
          return answer.headers.get('content-encoding') === coding && answer
        })
        expect(response.headers.get('etag')).to.match(new RegExp(`-${coding}"$`))
        const { revoked } = await verified(server, await response.text())
        expect(Object.keys(revoked['fid'] ?? {})).to.include('compressed-199')
      }
    })
  })

  describe('key changes and unusable cursors', () => {
    it('signs with the current key; a document signed with a revoked key no longer verifies', async () => {
      const old = await askRevocations(server, token)
      const { kid } = decodeProtectedHeader(old.body)
      await verified(server, old.body)
      await server.core.signing.revoke(defaultTenant, kid as string)
      const fault = await verified(server, old.body).then(
        () => 'none',
        ({ code }: { code: string }) => code,
      )
      expect(fault).to.equal('ERR_JWKS_NO_MATCHING_KEY')
      // The access token is signed with the same key.
      expectRefusal(await askRevocations(server, token), 401, 'invalid_token')
      token = await feedToken(server, ordersApi)
      const renewed = await eventually('a document signed with another key is served', async () => {
        const page = await askRevocations(server, token)
        return decodeProtectedHeader(page.body).kid !== kid && page
      })
      await verified(server, renewed.body)
    })

    it('returns the complete document for a cursor that is too old or in the future', async () => {
      const old = `1-${(Date.now() - 3600_000).toString(36)}`
      expect((await revocations(server, token, { since: old })).since).to.equal(undefined)
      const ahead = `1-${(Date.now() + 3600_000).toString(36)}`
      expect((await revocations(server, token, { since: ahead })).since).to.equal(undefined)
    })
  })

  describe('the stream', () => {
    it('starts with the current state, then sends each revocation at once', async () => {
      const issued = await machineToken()
      const stream = await openStream(server, token)
      try {
        expect(stream.status).to.equal(200)
        expect(stream.headers['content-type']).to.equal('text/event-stream')
        const first = await eventually('a first document arrives', () => stream.events[0])
        const { cursor, since } = await verified(server, first.data)
        expect(since).to.equal(undefined)
        expect(first).to.include({ event: 'revocations', id: cursor })
        await post(server, '/revoke', machine, { token: issued })
        const told = await eventually('the revocation arrives', async () => {
          for (const { data } of stream.events) {
            const claims = await verified(server, data)
            if (denies(claims.revoked, decodeJwt(issued))) return claims
          }
          return undefined
        })
        const before = stream.events.map(({ id }) => id)
        expect(before).to.include(told.since)
      } finally {
        stream.close()
      }
    })

    it('continues from Last-Event-ID', async () => {
      const { cursor } = await revocations(server, token)
      const stream = await openStream(server, token, { audience: api }, { 'last-event-id': cursor })
      const first = await eventually('a first document arrives', () => stream.events[0])
      stream.close()
      expect((await verified(server, first.data)).since).to.equal(cursor)
    })

    it('ends when its token is revoked or its client may no longer introspect, and sends nothing more', async () => {
      const own = await feedToken(server, ordersApi)
      const [revoked, unnamed] = [await openStream(server, own), await openStream(server, token)]
      await eventually('the first documents arrive', () => revoked.events[0] && unnamed.events[0])
      await post(server, '/revoke', ordersApi, { token: own })
      await eventually('the stream ends', revoked.ended)
      expect(unnamed.ended()).to.equal(false)
      const declared = { identifier: api, scopes: ['orders:read', 'orders:write'] }
      await server.core.resources.declare(defaultTenant, declared)
      try {
        const later = await machineToken()
        await post(server, '/revoke', machine, { token: later })
        await eventually('the stream ends', unnamed.ended)
        for (const { data } of unnamed.events) {
          const { revoked: told } = await verified(server, data)
          expect(denies(told, decodeJwt(later))).to.equal(false)
        }
      } finally {
        const introspection_clients = [ordersApi.client_id]
        await server.core.resources.declare(defaultTenant, { ...declared, introspection_clients })
      }
    })

    it('sends revocations to their own audience only', async () => {
      const stream = await openStream(server, await feedToken(server, mailApi), { audience: mail })
      const own = await openStream(server, token)
      try {
        await eventually('the first documents arrive', () => stream.events[0] && own.events[0])
        const issued = await machineToken()
        await post(server, '/revoke', machine, { token: issued })
        await eventually('the revocation arrives', async () => {
          const last = own.events.at(-1)
          return last && denies((await verified(server, last.data)).revoked, decodeJwt(issued))
        })
        for (const { data } of stream.events) {
          expect((await verified(server, data, mail)).revoked).to.not.have.property('jti')
        }
      } finally {
        stream.close()
        own.close()
      }
    })
  })

  // Comes last, because it deletes the user of these tests.
  describe('when a user is deleted', () => {
    it('names them by none of their subject identifiers, in any sector (OIDC Core §8.1)', async () => {
      const { accounts, clients, revocations: ends } = server.core
      for (const client of [hidden, hiddenElsewhere]) await clients.declare(defaultTenant, client)
      const asked = { resource: api, scope: 'openid orders:read' }
      const away = { resource: mail, scope: 'openid mail:send', redirect_uri: otherCallback }
      const held = [
        await tokensFor(server, hidden, asked),
        await tokensFor(server, hiddenElsewhere, away),
        await tokensFor(server, web, asked),
      ].map(({ access_token }) => decodeJwt(access_token))
      expect(new Set(held.map(({ sub }) => sub)).size).to.equal(3)
      const account = await accounts.byIdentifier(defaultTenant, alice.email)
      if (!account) throw new Error('no account')
      await ends.deleteAccount(account, { by: 'operator' })
      const told = { [api]: token, [mail]: await feedToken(server, mailApi) }
      for (const [audience, reader] of Object.entries(told)) {
        // A document serves all readers for a second.
        const { cursor: since } = await revocations(server, reader, {}, audience)
        const { revoked } = await revocations(server, reader, { since }, audience)
        for (const claims of held.filter(({ aud }) => aud === audience)) {
          expect(denies(revoked, claims), audience).to.equal(true)
        }
        for (const { sub = '' } of held) expect(JSON.stringify(revoked)).to.not.include(sub)
      }
    })
  })
})
