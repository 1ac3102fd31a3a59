import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { createEnvelopes } from '../../src/secrets/seal.ts'
import { anyStorage } from '../support/any-storage.ts'
import { freshStorage, testKey } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { someSession } from '../support/people.ts'
import { newKey } from '../support/sealed.ts'

describe('an envelope (ASVS 11.1.1)', () => {
  const envelopesOf = (text: string) =>
    createEnvelopes({ current: Buffer.from(text, 'base64'), previous: [] })
  let env: Record<string, string>
  let core: Core

  beforeEach(async () => {
    env = await freshStorage(anyStorage)
    core = await openNode(env)
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    for (const tenant of ['default', 'acme']) {
      await core.clients.declare(tenant, {
        client_id: 'reads',
        token_endpoint_auth_method: 'client_secret_jwt',
        redirect_uris: ['https://app.example.com/callback'],
      })
    }
  })
  afterEach(() => core?.close())

  const secretsOf = async (tenant: string) => {
    const client = await core.clients.find(tenant, 'reads')
    if (!client) throw new Error('the client is gone')
    return core.clients.readableSecrets(client)
  }

  it('of a client secret does not open as another secret of the same client', async () => {
    const rotated = await core.clients.rotateSecret('default', 'reads', 3600)
    expect((await secretsOf('default'))[0]).to.equal(rotated)
    await core.database.execute(
      `update client_secrets set sealed = (select sealed from client_secrets
         where tenant_id = 'default' and expires_at is not null)
       where tenant_id = 'default' and expires_at is null`,
    )
    const find = async () => core.clients.find('default', 'reads')
    await core.clients.setDisabled('default', 'reads', true)
    await core.clients.setDisabled('default', 'reads', false)
    expect((await find())?.secrets).to.have.length(2)
    await refusalOf(secretsOf('default'), 'key_encryption_key_invalid')
  })

  it("of a session's state does not open in another tenant", async () => {
    const session = someSession({ state: { secret: 'of default' } })
    await core.sessions.save('default', session, 'one', [], [])
    await core.sessions.save('acme', { ...session, state: { secret: 'of acme' } }, 'two', [], [])
    await core.database.execute(
      `update sessions set state = (select state from sessions where tenant_id = 'acme')
       where tenant_id = 'default'`,
    )
    await refusalOf(core.sessions.byUid('default', session.uid), 'key_encryption_key_invalid')
  })

  it('of an earlier version, bound to less, opens, and a rotation binds it fully', async () => {
    const old = envelopesOf(testKey)
    const session = someSession({ state: { secret: 'kept' } })
    await core.sessions.save('acme', session, 'one', [], [])
    const [secret] = await secretsOf('acme')
    const formerly = {
      'sessions set state': `session-state:${session.uid}`,
      'client_secrets set sealed': 'client-secret:acme:reads',
    }
    const plain = [JSON.stringify(session.state), secret as string]
    for (const [i, [column, purpose]] of Object.entries(formerly).entries()) {
      await core.database.execute(`update ${column} = $1 where tenant_id = 'acme'`, [
        old.seal(purpose, plain[i] as string),
      ])
    }
    await core.close()
    const second = newKey()
    core = await openNode({
      ...env,
      KEY_ENCRYPTION_KEY: second.text,
      KEY_ENCRYPTION_KEY_PREVIOUS: testKey,
    })
    const expectKept = async () => {
      expect((await core.sessions.byUid('acme', session.uid))?.state).to.deep.equal(session.state)
      expect(await secretsOf('acme')).to.deep.equal([secret])
    }
    await expectKept()
    await core.keyRotation.rotate(second.id)
    await expectKept()
    const rows = await core.database.query<{ sealed: string; purpose: string }>(
      `select state as sealed, $1 as purpose from sessions where tenant_id = 'acme'
       union all select sealed, $2 from client_secrets where tenant_id = 'acme'`,
      Object.values(formerly),
    )
    expect(rows).to.have.length(2)
    for (const { sealed, purpose } of rows) {
      const opened = (async () => envelopesOf(second.text).open(purpose, sealed))()
      expect((await refusalOf(opened, 'key_encryption_key_invalid')).message).to.include(purpose)
    }
  })
})
