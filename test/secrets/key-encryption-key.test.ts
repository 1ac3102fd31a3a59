import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadKeyEncryptionKeys } from '../../src/secrets/key-encryption-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage, onEachStorage, testKey } from '../support/boot.ts'
import { temporaryFolder } from '../support/child.ts'
import { openNode, refusalOf } from '../support/cores.ts'

describe('key-encryption key', () => {
  const pathIn = (folder: string) => join(folder, 'key-encryption-key')

  it('is made once, in a file that only its owner can read', async () => {
    const keysDir = join(await temporaryFolder('keys'), 'deep', 'keys')
    const { current: key } = await loadKeyEncryptionKeys({ keysDir, create: true })
    expect(key).to.have.length(32)
    expect((await stat(pathIn(keysDir))).mode & 0o777).to.equal(0o600)
    expect((await stat(keysDir)).mode & 0o777).to.equal(0o700)
    for (const create of [true, false]) {
      expect(await loadKeyEncryptionKeys({ keysDir, create })).to.deep.equal({
        current: key,
        previous: [],
      })
    }
  })

  it('from the configuration makes and reads no file', async () => {
    const keysDir = join(await temporaryFolder('keys'), 'none')
    const configured = Buffer.alloc(32, 9)
    const { current } = await loadKeyEncryptionKeys({ configured, keysDir, create: true })
    expect(current).to.equal(configured)
    await stat(keysDir).then(
      () => expect.fail('a folder was made'),
      (error: NodeJS.ErrnoException) => expect(error.code).to.equal('ENOENT'),
    )
  })

  it('that is missing where secrets are is asked for, not replaced', async () => {
    const keysDir = await temporaryFolder('keys')
    const refusal = await refusalOf(
      loadKeyEncryptionKeys({ keysDir, create: false }),
      'key_encryption_key_invalid',
    )
    expect(refusal.message).to.contain('KEY_ENCRYPTION_KEY').and.contain(pathIn(keysDir))
  })

  it('that is not 32 bytes or cannot be read is refused by name', async () => {
    const keysDir = await temporaryFolder('keys')
    for (const text of ['', 'short', Buffer.alloc(31).toString('base64')]) {
      await writeFile(pathIn(keysDir), text)
      const refusal = await refusalOf(
        loadKeyEncryptionKeys({ keysDir, create: true }),
        'key_encryption_key_invalid',
      )
      expect(refusal.message).to.contain(pathIn(keysDir)).and.contain('32 bytes')
      expect(await readFile(pathIn(keysDir), 'utf8'), 'left alone').to.equal(text)
    }
    await rm(pathIn(keysDir))
    await mkdir(pathIn(keysDir))
    const refusal = await refusalOf(
      loadKeyEncryptionKeys({ keysDir, create: true }),
      'key_encryption_key_invalid',
    )
    expect(refusal.message).to.contain('cannot be read')
  })
})

onEachStorage('key-encryption key at start', (kind) => {
  const otherKey = Buffer.alloc(32, 8).toString('base64')

  it('that does not fit stops the start and destroys nothing', async () => {
    const env = await freshStorage(kind)
    const first = await openNode(env)
    const secret = await first.sharedSecrets.get(defaultTenant, 'cookies')
    await first.close()

    const wrong = { ...env, KEY_ENCRYPTION_KEY: otherKey }
    const refusal = await refusalOf(openNode(wrong), 'key_encryption_key_invalid')
    expect(refusal.message).to.match(/sealed under key \S+, this process has key \S+/)
    expect(refusal.message).to.not.contain(otherKey)

    const { KEY_ENCRYPTION_KEY: _key, ...without } = env
    const missing = await refusalOf(openNode(without), 'key_encryption_key_invalid')
    expect(missing.message).to.contain('put back')

    const again = await openNode(env)
    expect(await again.sharedSecrets.get(defaultTenant, 'cookies')).to.deep.equal(secret)
    await again.close()
  })

  if (kind === 'embedded') {
    it('is made by the first embedded start alone', async () => {
      const folder = await temporaryFolder('data')
      const env = { DATA_DIR: join(folder, 'data'), KEYS_DIR: join(folder, 'keys') }
      await (await openNode(env)).close()
      const path = join(folder, 'keys', 'key-encryption-key')
      const key = await readFile(path, 'utf8')
      await (await openNode(env)).close()
      expect(await readFile(path, 'utf8')).to.equal(key)

      await rm(path)
      await refusalOf(openNode(env), 'key_encryption_key_invalid')
      await stat(path).then(
        () => expect.fail('a second key was made'),
        (error: NodeJS.ErrnoException) => expect(error.code).to.equal('ENOENT'),
      )
      await writeFile(path, key)
      await (await openNode(env)).close()
    })
  } else {
    it('is never made on servers: every node must have the same one', async () => {
      const { KEY_ENCRYPTION_KEY: _key, ...env } = await freshStorage(kind)
      const refusal = await refusalOf(openNode(env), 'key_encryption_key_invalid')
      expect(refusal.message).to.contain('KEY_ENCRYPTION_KEY')
      await (await openNode({ ...env, KEY_ENCRYPTION_KEY: testKey })).close()
    })
  }
})
