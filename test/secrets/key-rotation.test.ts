import { hkdfSync } from 'node:crypto'
import { mkdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { doctorStorage } from '../../src/cli/doctor-storage.ts'
import { sealedColumns } from '../../src/sealed-columns.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { freshStorage, testKey } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { someSession } from '../support/people.ts'
import {
  keyFileOf,
  keyIdsIn,
  keyOf,
  newKey,
  sealEverything,
  storageWithKeyFile,
} from '../support/sealed.ts'
import { dump } from '../support/witness.ts'

const first = keyOf(testKey)

onAnyStorage('rotation of a configured key-encryption key', (kind) => {
  it('re-seals every column: the old key opens nothing, and nothing is lost (ASVS 11.1.1)', async () => {
    const env = await freshStorage(kind)
    const before = await openNode(env)
    const reading = await sealEverything(before)
    await before.close()

    const second = newKey()
    const both = {
      ...env,
      KEY_ENCRYPTION_KEY: second.text,
      KEY_ENCRYPTION_KEY_PREVIOUS: first.text,
    }
    const core = await openNode(both)
    await reading(core)
    expect(await keyIdsIn(core, both)).to.deep.equal([first.id])
    const there: Record<string, number> = {}
    for (const { table, column } of sealedColumns) {
      const [row] = await core.database.query<{ count: string }>(
        `select count(${column}) from ${table}`,
      )
      there[`${table}.${column}`] = Number(row?.count)
    }
    expect(Object.values(there).every((count) => count > 2)).to.equal(true)
    expect(await core.keyRotation.rotate(second.id)).to.deep.equal({
      keyId: second.id,
      generated: false,
      retiredKeyIds: [first.id],
      resealed: there,
    })
    expect(await keyIdsIn(core, both)).to.deep.equal([second.id])
    expect([...(await core.keyRotation.survey()).keys()]).to.deep.equal([second.id])
    await reading(core)
    const { resealed } = await core.keyRotation.rotate(second.id)
    expect(new Set(Object.values(resealed)), 'nothing left to do').to.deep.equal(new Set([0]))
    await core.close()

    const after = await openNode({ ...env, KEY_ENCRYPTION_KEY: second.text })
    await reading(after)
    await after.close()
    const refusal = await refusalOf(openNode(env), 'key_encryption_key_invalid')
    expect(refusal.message).to.include(`sealed under key ${second.id}`).and.include(first.id)
    expect(refusal.message).to.include('KEY_ENCRYPTION_KEY_PREVIOUS')
  })

  it('keeps concurrent writes, and two rotations in parallel do no harm', async () => {
    const env = await freshStorage(kind)
    const second = newKey()
    const both = {
      ...env,
      KEY_ENCRYPTION_KEY: second.text,
      KEY_ENCRYPTION_KEY_PREVIOUS: first.text,
    }
    const a = await openNode(env)
    const reading = await sealEverything(a, 420)
    // Embedded storage allows one process, which then does both.
    if (kind === 'embedded') await a.close()
    const b = await openNode(both)
    const sessions = Array.from({ length: 60 }, (_, i) => {
      const session = someSession({ state: { secret: `state ${i}` } })
      return { session, handle: session.uid }
    })
    const write = async () => {
      for (const { session, handle } of sessions) {
        await b.sessions.save('default', session, handle, [], [])
        session.state = { secret: `${String(session.state?.['secret'])} again` }
        await b.sessions.save('default', session, handle, [handle], [])
      }
    }
    await Promise.all([b.keyRotation.rotate(), b.keyRotation.rotate(), write()])
    for (const { session } of sessions) {
      expect((await b.sessions.byUid('default', session.uid))?.state).to.deep.equal(session.state)
    }
    expect(await keyIdsIn(b, both)).to.deep.equal([second.id])
    await reading(b)
    await b.close()
    if (kind === 'services') await a.close()
  })

  if (kind === 'services') {
    it('waits for a row that is being written, and re-seals the new value', async () => {
      const env = await freshStorage(kind)
      const second = newKey()
      const old = await openNode(env)
      const fresh = await openNode({
        ...env,
        KEY_ENCRYPTION_KEY: second.text,
        KEY_ENCRYPTION_KEY_PREVIOUS: first.text,
      })
      const session = someSession({ state: { secret: 'one' } })
      const save = () => old.sessions.save('default', session, 'a-handle', ['a-handle'], [])
      await save()
      let rotation: Promise<unknown> = Promise.resolve()
      await old.database.transaction(async () => {
        session.state = { secret: 'two' }
        await save()
        rotation = fresh.keyRotation.rotate()
        await eventually('the rotation waits for the row', async () => {
          const waiting = await old.database.query(
            `select 1 from pg_locks where not granted and pid in (
               select pid from pg_stat_activity where datname = current_database())`,
          )
          return waiting.length > 0
        })
      })
      await rotation
      expect((await fresh.sessions.byUid('default', session.uid))?.state).to.deep.equal({
        secret: 'two',
      })
      expect(await keyIdsIn(fresh, env)).to.deep.equal([second.id])
      await old.close()
      await fresh.close()
    })
  }

  it('is refused for another key than the current one, and with invalid or repeated keys', async () => {
    const env = await freshStorage(kind)
    const core = await openNode(env)
    const reading = await sealEverything(core, 3)
    const other = newKey()
    const wanted = await refusalOf(core.keyRotation.rotate(other.id), 'key_encryption_key_invalid')
    expect(wanted.message).to.include(other.id).and.include(first.id).and.include('restart')
    const kept = await dump(core.database, env['REDIS_URL'])
    await core.close()

    const same = await refusalOf(
      openNode({ ...env, KEY_ENCRYPTION_KEY_PREVIOUS: `${other.text},${first.text}` }),
      'key_encryption_key_invalid',
    )
    expect(same.message).to.include('also contains the current key').and.not.include(first.text)
    for (const bad of ['short', `${other.text} short`, other.text.slice(1), `${other.text}x`]) {
      for (const name of ['KEY_ENCRYPTION_KEY', 'KEY_ENCRYPTION_KEY_PREVIOUS']) {
        const refusal = await openNode({ ...env, [name]: bad }).then(
          () => undefined,
          (error: Error) => error.message,
        )
        expect(refusal).to.match(new RegExp(`^${name}: expected .*base64 of exactly 32 bytes`))
        expect(refusal).to.not.include(bad)
      }
    }
    const again = await openNode(env)
    expect(await dump(again.database, env['REDIS_URL'])).to.equal(kept)
    await reading(again)
    await again.close()
  })

  it('stops the start when one of many rows has an unknown key, names it, and changes nothing; doctor opens all rows', async () => {
    const env = await freshStorage(kind)
    const core = await openNode(env)
    await sealEverything(core)
    const strange = newKey()
    await core.close()
    const both = {
      ...env,
      KEY_ENCRYPTION_KEY: strange.text,
      KEY_ENCRYPTION_KEY_PREVIOUS: first.text,
    }
    const rotated = await openNode(both)
    const uid = someSession({ state: { secret: 'x' } })
    await rotated.sessions.save('beta', uid, 'a-handle', [], [])
    const kept = await dump(rotated.database, env['REDIS_URL'])
    await rotated.close()

    const refusal = await refusalOf(openNode(env), 'key_encryption_key_invalid')
    expect(refusal.message.split('\n')).to.have.length(1)
    expect(refusal.message)
      .to.include(`sealed under key ${strange.id}, but this process has key ${first.id}`)
      .and.include(`(sessions: beta, ${uid.uid})`)
    const again = await openNode(both)
    expect(await dump(again.database, env['REDIS_URL'])).to.equal(kept)
    expect(await again.keyRotation.openAll()).to.equal(
      [...(await again.keyRotation.survey()).values()].reduce((sum, count) => sum + count),
    )

    // The right key, but a value sealed for another row, which only opening all rows finds.
    await again.keyRotation.rotate()
    await again.database.execute(
      `update signing_keys set private_jwk = (select private_jwk from signing_keys
         where tenant_id = 'acme' and alg = 'RS256')
       where tenant_id = 'beta' and alg = 'ES256'`,
    )
    const found = (await doctorStorage.execute(again, {})).find(
      ({ name }) => name === 'key-encryption key',
    )
    expect(found?.status).to.equal('fail')
    expect(found?.message).to.include('was changed').and.include('(signing_keys: beta, ')
    await again.close()
  })

  it('keeps what an earlier version derived from the key itself: MACs of tokens and imported secrets', async () => {
    const env = await freshStorage(kind)
    const core = await openNode(env)
    // The state of that version: secrets, but no separate key for MACs.
    await core.sharedSecrets.get('default', 'cookies')
    await core.database.execute(`delete from shared_secrets where name = 'mac'`)
    await core.close()
    const second = newKey()
    const both = {
      ...env,
      KEY_ENCRYPTION_KEY: second.text,
      KEY_ENCRYPTION_KEY_PREVIOUS: first.text,
    }
    const derived = hkdfSync('sha256', Buffer.from(first.text, 'base64'), '', 'keyturn mac', 32)
    for (const settings of [both, { ...env, KEY_ENCRYPTION_KEY: second.text }]) {
      const upgraded = await openNode(settings)
      expect(await upgraded.sharedSecrets.get('default', 'mac')).to.deep.equal(Buffer.from(derived))
      await upgraded.keyRotation.rotate()
      await upgraded.close()
    }
  })
})

describe('rotation of a key-encryption key in its own file', () => {
  const textOf = async (path: string) => (await readFile(path, 'utf8')).trim()
  const missing = (path: string) =>
    stat(path)
      .then(() => false)
      .catch(() => true)

  it('creates a new key, seals everything under it, and then removes the old one', async () => {
    const env = await storageWithKeyFile('embedded')
    const file = keyFileOf(env)
    const core = await openNode(env)
    const reading = await sealEverything(core)
    const { generated, keyId, resealed } = await core.keyRotation.rotate()
    expect(generated).to.equal(true)
    expect(resealed['sessions.state']).to.equal(210)
    const second = keyOf(await textOf(file))
    expect(keyId).to.equal(second.id).and.not.equal(first.id)
    expect((await stat(file)).mode & 0o777).to.equal(0o600)
    expect(await missing(`${file}.previous`)).to.equal(true)
    expect(await keyIdsIn(core, env)).to.deep.equal([second.id])
    await reading(core)
    const third = await core.keyRotation.rotate()
    expect(third.keyId)
      .to.equal(keyOf(await textOf(file)).id)
      .and.not.equal(second.id)
    await core.close()

    const after = await openNode(env)
    await reading(after)
    await after.close()
    await writeFile(file, `${first.text}\n`)
    await refusalOf(openNode(env), 'key_encryption_key_invalid')
  })

  it('resumes from any files that a crash left', async () => {
    const env = await storageWithKeyFile('embedded')
    const file = keyFileOf(env)
    const core = await openNode(env)
    const reading = await sealEverything(core, 3)
    await core.close()

    // The old key cannot be saved, so no new one may be created.
    await mkdir(`${file}.previous.new`)
    const zero = await openNode(env)
    expect(await zero.keyRotation.rotate().catch((error: Error) => error)).to.be.instanceOf(Error)
    expect(await textOf(file)).to.equal(first.text)
    await rmdir(`${file}.previous.new`)
    expect(await keyIdsIn(zero, env)).to.deep.equal([first.id])
    await zero.close()

    // The old key is saved, the new one is not: nothing has begun.
    await writeFile(`${file}.previous`, `${first.text}\n`)
    await writeFile(`${file}.new`, 'half of a k')
    const one = await openNode(env)
    await reading(one)
    const { generated, keyId } = await one.keyRotation.rotate()
    expect({ generated, isNew: keyId !== first.id }).to.deep.equal({ generated: true, isNew: true })
    await one.close()
    const second = await textOf(file)

    // Both are saved, nothing is re-sealed: the rotation resumes with the existing new key.
    const third = newKey()
    await writeFile(`${file}.previous`, `${second}\n`)
    await writeFile(file, `${third.text}\n`)
    const two = await openNode(env)
    await reading(two)
    const resumed = await two.keyRotation.rotate()
    expect(resumed.generated).to.equal(false)
    expect(resumed.keyId).to.equal(third.id)
    expect(resumed.resealed['signing_keys.private_jwk']).to.equal(9)
    expect(await keyIdsIn(two, env)).to.deep.equal([third.id])
    expect(await missing(`${file}.previous`)).to.equal(true)
    await reading(two)

    // The file was replaced under a running process: its key in use must not be lost.
    await writeFile(file, `${newKey().text}\n`)
    const refusal = await refusalOf(two.keyRotation.rotate(), 'key_encryption_key_invalid')
    expect(refusal.message).to.include(third.id).and.include('Restore the file')
    expect(await missing(`${file}.previous`)).to.equal(true)
    await two.close()
  })

  it('uses the new key in the file when an interrupted rotation left it', async () => {
    const env = await storageWithKeyFile('embedded')
    const file = keyFileOf(env)
    const core = await openNode(env)
    const reading = await sealEverything(core, 3)
    const second = newKey()
    await writeFile(`${file}.previous`, `${first.text}\n`)
    await writeFile(file, `${second.text}\n`)
    expect((await core.keyRotation.rotate()).keyId).to.equal(second.id)
    expect(await keyIdsIn(core, env)).to.deep.equal([second.id])
    await reading(core)
    await core.close()
    const after = await openNode(env)
    await reading(after)
    await after.close()
  })
})
