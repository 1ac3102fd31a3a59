import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { sealedColumns } from '../../src/sealed-columns.ts'
import { createEnvelopes } from '../../src/secrets/seal.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { freshStorage, testKey } from '../support/boot.ts'
import { errorOf, openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { someSession } from '../support/people.ts'
import { keyIdsIn, keyOf, newKey, sealEverything, storageWithKeyFile } from '../support/sealed.ts'

const first = keyOf(testKey)
const settingsOf = (current: { text: string }, ...previous: { text: string }[]) => ({
  KEY_ENCRYPTION_KEY: current.text,
  KEY_ENCRYPTION_KEY_PREVIOUS: previous.map(({ text }) => text).join(','),
})

onAnyStorage('a retired key-encryption key', (kind) => {
  it('cannot seal anything that a column accepts', async () => {
    const env = await freshStorage(kind)
    const second = newKey()
    await (await openNode(env)).close()
    const core = await openNode({ ...env, ...settingsOf(second, first) })
    await sealEverything(core, 3)
    await core.keyRotation.rotate()
    for (const { id, text } of [first, newKey()]) {
      const stale = createEnvelopes({ current: Buffer.from(text, 'base64'), previous: [] })
      for (const { table, column } of sealedColumns) {
        const error = await errorOf(
          core.database.execute(`update ${table} set ${column} = $1 where ${column} is not null`, [
            stale.seal('anything', 'anything'),
          ]),
        )
        expect(error.message, `${table}.${column}`).to.include(`key-encryption key ${id}`)
      }
    }
    expect(await keyIdsIn(core, env)).to.deep.equal([second.id])
    await core.close()
  })
})

describe('embedded keys rotate-kek while a signing key is made but not sealed yet', () => {
  it('leaves an installation that starts', async () => {
    const env = { ...(await storageWithKeyFile('embedded')), RSA_KEY_BITS: '4096' }
    const core = await openNode(env)
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    const made = core.signing.ensure('acme', ['ES256', 'RS256'])
    const { keyId } = await core.keyRotation.rotate()
    expect(await made).to.equal(true)
    expect(await keyIdsIn(core, env)).to.deep.equal([keyId])
    await core.close()
    const again = await openNode(env)
    expect((await again.signing.open('acme')).signing).to.have.length(2)
    await again.close()
  })
})

onAnyStorage('nodes that seal during a rotation of the key-encryption key', (kind) => {
  if (kind === 'embedded') return
  const second = newKey()
  let env: Record<string, string>
  let rotating: Core

  beforeEach(async () => {
    env = await freshStorage(kind)
    await (await openNode(env)).close()
    rotating = await openNode({ ...env, ...settingsOf(second, first) })
  })
  afterEach(() => rotating?.close())

  const saved = async (core: Core, handle: string) => {
    const session = someSession({ state: { secret: handle } })
    await core.sessions.save('default', session, handle, [], [])
    return session
  }
  const keptBy = async (core: Core, uid: string) =>
    (await core.sessions.byUid('default', uid))?.state

  it('are waited for: an uncommitted new row is re-sealed too', async () => {
    const old = await openNode(env)
    let rotation: Promise<unknown> = Promise.resolve()
    const session = await old.database.transaction(async () => {
      const late = await saved(old, 'late')
      rotation = rotating.keyRotation.rotate()
      await eventually('the rotation is over, or waits for a row', async () => {
        const waiting = await old.database.query(
          `select 1 from pg_locks where not granted and pid in (
             select pid from pg_stat_activity where datname = current_database())`,
        )
        const over = await Promise.race([rotation, 'not yet'])
        return waiting.length > 0 || over !== 'not yet'
      })
      return late
    })
    await rotation
    expect(await keyIdsIn(rotating, env)).to.deep.equal([second.id])
    expect(await keptBy(rotating, session.uid)).to.deep.equal({ secret: 'late' })
    await old.close()
  })

  it('switch to the new key if they have it among their previous ones', async () => {
    const stale = await openNode({ ...env, ...settingsOf(first, second) })
    await saved(stale, 'before')
    await rotating.keyRotation.rotate()
    const session = await saved(stale, 'after')
    expect(await stale.signing.ensure('default', ['EdDSA'])).to.equal(true)
    expect(await keyIdsIn(rotating, env)).to.deep.equal([second.id])
    expect(await keptBy(rotating, session.uid)).to.deep.equal({ secret: 'after' })
    await stale.keyRotation.check()
    expect(stale.keyRotation.fault()).to.include(first.id).and.include(second.id)
    await stale.close()
  })

  it('store nothing if they lack the new key, and name it', async () => {
    const stale = await openNode(env)
    await saved(rotating, 'by the other')
    await stale.keyRotation.check()
    expect(stale.keyRotation.fault()).to.include('lacks').and.include(second.id)
    await rotating.keyRotation.rotate()
    const refusal = await refusalOf(saved(stale, 'late'), 'key_encryption_key_retired')
    expect(refusal.message).to.include(first.id).and.include(second.id)
    await refusalOf(stale.signing.ensure('default', ['EdDSA']), 'key_encryption_key_retired')
    expect(await keyIdsIn(rotating, env)).to.deep.equal([second.id])
    await rotating.keyRotation.check()
    expect(rotating.keyRotation.fault()).to.equal(undefined)
    await stale.close()
  })

  it('are not rotated to a key that was retired before', async () => {
    await saved(rotating, 'one')
    await rotating.keyRotation.rotate()
    const back = await openNode({ ...env, ...settingsOf(first, second) })
    const refusal = await refusalOf(back.keyRotation.rotate(first.id), 'key_encryption_key_invalid')
    expect(refusal.message).to.include(first.id).and.include('openssl rand -base64 32')
    await back.close()
  })

  it('keep a prepared next key that has sealed nothing yet', async () => {
    const third = newKey()
    const ready = await openNode({ ...env, ...settingsOf(first, third) })
    await saved(ready, 'one')
    await ready.keyRotation.rotate()
    await ready.close()
    const next = await openNode({ ...env, ...settingsOf(third, first) })
    await saved(next, 'two')
    await next.keyRotation.rotate()
    expect(await keyIdsIn(next, env)).to.deep.equal([third.id])
    await next.close()
  })
})
