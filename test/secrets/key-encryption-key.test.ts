import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { loadKeyEncryptionKeys } from '../../src/secrets/key-encryption-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage, onEachStorage, testKey } from '../support/boot.ts'
import { temporaryFolder } from '../support/child.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { keyFileOf, storageWithKeyFile } from '../support/sealed.ts'

describe('key-encryption key', () => {
  const pathIn = (folder: string) => join(folder, 'key-encryption-key')

  it('is created once, in a file that only its owner can read', async () => {
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

  it('from the configuration creates and reads no file', async () => {
    const keysDir = join(await temporaryFolder('keys'), 'none')
    const configured = Buffer.alloc(32, 9)
    const { current } = await loadKeyEncryptionKeys({ configured, keysDir, create: true })
    expect(current).to.equal(configured)
    await stat(keysDir).then(
      () => expect.fail('a folder was made'),
      (error: NodeJS.ErrnoException) => expect(error.code).to.equal('ENOENT'),
    )
  })

  it('is required when secrets exist but the file is missing, not replaced', async () => {
    const keysDir = await temporaryFolder('keys')
    const refusal = await refusalOf(
      loadKeyEncryptionKeys({ keysDir, create: false }),
      'key_encryption_key_invalid',
    )
    expect(refusal.message).to.contain('KEY_ENCRYPTION_KEY').and.contain(pathIn(keysDir))
  })

  it('is rejected unless it is exactly 32 bytes in base64, naming the file and leaving it alone', async () => {
    const keysDir = await temporaryFolder('keys')
    const good = Buffer.alloc(32, 9).toString('base64')
    for (const [text, came] of [
      ['', 'is empty'],
      ['\n', 'is empty'],
      ['short', '5 characters'],
      [Buffer.alloc(31).toString('base64'), '31 bytes'],
      [Buffer.alloc(33).toString('base64'), '33 bytes'],
      [`${good}\n${good}\n`, '2 lines'],
      [`!${good}`, '45 characters'],
      [good.slice(0, -1), '43 characters'],
    ] as const) {
      await writeFile(pathIn(keysDir), text)
      for (const create of [true, false]) {
        const refusal = await refusalOf(
          loadKeyEncryptionKeys({ keysDir, create }),
          'key_encryption_key_invalid',
        )
        expect(refusal.message).to.contain(pathIn(keysDir)).and.contain('32 bytes')
        expect(refusal.message).to.contain(came).and.not.contain(good)
        expect(refusal.message, 'what to do').to.contain(
          create ? 'delete the file' : 'Restore the file from your copy',
        )
      }
      expect(await readFile(pathIn(keysDir), 'utf8'), 'unchanged').to.equal(text)
    }
  })

  it('that cannot be read or created is reported with its path and the cause', async () => {
    const keysDir = await temporaryFolder('keys')
    await mkdir(pathIn(keysDir))
    const folder = await refusalOf(
      loadKeyEncryptionKeys({ keysDir, create: true }),
      'key_encryption_key_invalid',
    )
    expect(folder.message)
      .to.contain(`${pathIn(keysDir)} cannot be read`)
      .and.contain('EISDIR')
    const file = join(keysDir, 'file')
    await writeFile(file, '')
    const refusal = await refusalOf(
      loadKeyEncryptionKeys({ keysDir: join(file, 'keys'), create: true }),
      'key_encryption_key_invalid',
    )
    expect(refusal.message).to.contain(join(file, 'keys')).and.contain('ENOTDIR')
  })

  // Root can read every file.
  const asOther = process.getuid?.() === 0 ? it : it.skip
  asOther('of another user is reported with the remedy', async () => {
    const keysDir = await temporaryFolder('keys')
    await writeFile(pathIn(keysDir), `${testKey}\n`, { mode: 0o600 })
    await chmod(keysDir, 0o755)
    const nobody = 65_534
    process.seteuid?.(nobody)
    const refusal = await refusalOf(
      loadKeyEncryptionKeys({ keysDir, create: false }),
      'key_encryption_key_invalid',
    ).finally(() => process.seteuid?.(0))
    expect(refusal.message)
      .to.contain(pathIn(keysDir))
      .and.contain('EACCES')
      .and.contain('run as the owner of the file')
  })
})

onEachStorage('key-encryption key at start', (kind) => {
  const otherKey = Buffer.alloc(32, 8).toString('base64')

  it('stops the start when it does not fit, and destroys nothing', async () => {
    const env = await freshStorage(kind)
    const first = await openNode(env)
    const secret = await first.sharedSecrets.get(defaultTenant, 'cookies')
    await first.close()

    const wrong = { ...env, KEY_ENCRYPTION_KEY: otherKey }
    const refusal = await refusalOf(openNode(wrong), 'key_encryption_key_invalid')
    expect(refusal.message).to.match(/sealed under key \S+, but this process has key \S+/)
    expect(refusal.message).to.not.contain(otherKey)

    const { KEY_ENCRYPTION_KEY: _key, ...without } = env
    const missing = await refusalOf(openNode(without), 'key_encryption_key_invalid')
    expect(missing.message).to.contain('from your copy')

    const again = await openNode(env)
    expect(await again.sharedSecrets.get(defaultTenant, 'cookies')).to.deep.equal(secret)
    await again.close()
  })

  it('is warned about when other users can read its file, and only then', async () => {
    const { KEY_ENCRYPTION_KEY: _key, ...env } = await freshStorage(kind)
    const path = join(env['KEYS_DIR'] as string, 'key-encryption-key')
    await writeFile(path, `${testKey}\n`, { mode: 0o640 })
    for (const [mode, warned] of [
      [0o640, true],
      [0o600, false],
    ] as const) {
      await chmod(path, mode)
      const lines: string[] = []
      const write = (line: string) => void lines.push(line)
      const log = createLog({ level: 'warn', destination: { write } })
      await (await openCore(loadConfig(env), log, { schema: 'migrate' })).close()
      const found = lines.filter((line) =>
        line.includes('other users can access the key-encryption key'),
      )
      expect(found, mode.toString(8)).to.have.length(warned ? 1 : 0)
      if (warned) expect(found[0]).to.include(path).and.include(mode.toString(8))
    }
  })

  if (kind === 'embedded') {
    // test/cli/embedded.test.ts covers its creation at the first start.
    it('is not created by a later embedded start', async () => {
      const env = await storageWithKeyFile(kind)
      const path = keyFileOf(env)
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
    it('is never created with DATABASE_URL, as all nodes need the same one', async () => {
      const { KEY_ENCRYPTION_KEY: _key, ...env } = await freshStorage(kind)
      const refusal = await refusalOf(openNode(env), 'key_encryption_key_invalid')
      expect(refusal.message).to.contain('KEY_ENCRYPTION_KEY')
      await (await openNode({ ...env, KEY_ENCRYPTION_KEY: testKey })).close()
    })
  }
})
