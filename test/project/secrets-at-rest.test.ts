import { expect } from 'chai'
import { booted, onEachStorage } from '../support/boot.ts'
import { alice, callback, furnish, web } from '../support/fixtures.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { dump, remember, secretsIn, secretsKnown } from '../support/witness.ts'

// Every server of these tests is searched for secrets when it stops; this test shows that the search finds them.
onEachStorage('a dump of both stores and the log at trace level (architecture §5, C19)', (kind) => {
  const server = booted(kind, {}, furnish)

  it('contain no usable secret in any state of a sign-in', async () => {
    const before = secretsKnown()
    const party = await createRelyingParty({
      issuer: server.issuer,
      clientId: web.client_id,
      clientSecret: web.client_secret,
      redirectUri: callback,
    })
    const request = await party.authorize({ scope: 'openid offline_access' })
    const agent = createUserAgent()
    const returned = await agent.walk(request.url, {
      username: alice.email,
      password: alice.password,
    })
    const tokens = await party.finish(request, returned)
    await party.refresh(tokens.refresh_token as string)
    // Left open on purpose: an interaction, a log-out and a code.
    await createUserAgent().follow(await createUserAgent().get((await party.authorize()).url))
    await agent.get(`${server.issuer}/logout`)
    await agent.get((await party.authorize({ scope: 'openid offline_access' })).url)
    expect(secretsKnown() - before, 'secrets issued').to.be.above(12)

    const kept = await dump(server.core.database, server.env['REDIS_URL'])
    expect(kept).to.include(alice.email)
    expect(secretsIn(kept)).to.deep.equal([])
    expect(server.logged()).to.include('"signed in"')
    expect(secretsIn(server.logged())).to.deep.equal([])
  })

  it('are searched successfully for secrets that they contain', async () => {
    const planted = [`planted-${kind}-in-this-story`, '20304050']
    const text = planted.join('\n')
    await server.core.shortLived.put({ tenant: 'default', model: 'Test', id: 'x' }, text, 60)
    remember(...planted)
    const kept = await dump(server.core.database, server.env['REDIS_URL'])
    expect(secretsIn(kept)).to.have.members(planted)
    expect(secretsIn('1720304050123 20304050-a-b')).to.deep.equal([])
    await server.core.shortLived.delete({ tenant: 'default', model: 'Test', id: 'x' })
  })
})
