import { randomBytes, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { deviceCodeGrant } from '../../src/clients/client.ts'
import { createSubjects, type SubjectMembers } from '../../src/clients/subjects.ts'

describe('subjects', () => {
  const salts = new Map<string, Buffer>()
  const subjects = createSubjects({
    sharedSecrets: {
      async get(tenant) {
        const salt = salts.get(tenant) ?? randomBytes(32)
        salts.set(tenant, salt)
        return salt
      },
    },
  })
  const client = (host: string, type: 'public' | 'pairwise' = 'pairwise') => ({
    subject_type: type,
    sector_identifier_uri: undefined,
    jwks_uri: undefined,
    redirect_uris: [`https://${host}/callback`],
    grant_types: ['authorization_code' as const],
  })
  const id = randomUUID()

  it('of public subject type are the account id', async () => {
    expect(await subjects.of('t', client('a.example', 'public'), id)).to.equal(id)
    expect(await subjects.accountBehind('t', client('a.example', 'public'), id)).to.equal(id)
  })

  it('differ by sector and by tenant, are stable, and lead back to the account (P-057)', async () => {
    const [a, b] = [client('a.example'), client('b.example')]
    const sub = await subjects.of('t', a, id)
    expect(sub).to.match(/^[\w-]{22}$/)
    expect(await subjects.of('t', a, id)).to.equal(sub)
    expect(
      await subjects.of('t', { ...b, sector_identifier_uri: 'https://a.example/s' }, id),
    ).to.equal(sub)
    expect(await subjects.of('t', b, id)).not.to.equal(sub)
    expect(await subjects.of('other', a, id)).not.to.equal(sub)
    expect(await subjects.of('t', a, randomUUID())).not.to.equal(sub)
    expect(await subjects.accountBehind('t', a, sub)).to.equal(id)
  })

  it('of a private-use scheme depend on the scheme, whatever its host (OpenID Connect Core §8.1)', async () => {
    const native = (uri: string) => ({ ...client(''), redirect_uris: [uri] })
    const subs = [
      client('a.example'),
      native('com.one.app://a.example/callback'),
      native('com.two.app:/callback'),
      native('a.example:/callback'),
    ].map((each) => subjects.of('t', each, id))
    expect(new Set(await Promise.all(subs)).size).to.equal(4)
    const sibling = native('com.one.app:/callback')
    expect(await subjects.of('t', sibling, id)).to.equal(await subs[1])
  })

  it('depend on the host of the keys if no response goes to a redirect URI', async () => {
    const device: SubjectMembers = {
      ...client('a.example'),
      jwks_uri: 'https://b.example/keys',
      grant_types: [deviceCodeGrant],
    }
    const sub = await subjects.of('t', device, id)
    expect(sub).to.equal(await subjects.of('t', client('b.example'), id))
    expect(sub).not.to.equal(await subjects.of('t', client('a.example'), id))
  })

  it('that are unknown lead to no account', async () => {
    const pairwise = await subjects.of('t', client('a.example'), id)
    const known = client('a.example', 'public')
    expect(await subjects.accountBehind('t', known, pairwise), 'a pairwise subject').to.equal(
      undefined,
    )
    for (const sub of [id, '', 'x', 'A'.repeat(21), 'A'.repeat(23)]) {
      expect(await subjects.accountBehind('t', client('a.example'), sub)).to.equal(undefined)
    }
  })
})
