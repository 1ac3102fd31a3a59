import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { expect } from 'chai'
import { settings } from '../../config/config.ts'
import { ConfigError, loadConfig, maskUrl } from '../../config/load.ts'
import { isDomainError } from '../../src/errors.ts'

function noFile(): never {
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
}

/** The faults of an environment; empty if it is accepted. */
function faultsOf(env: NodeJS.ProcessEnv, readFile: (path: string) => string = noFile) {
  try {
    loadConfig(env, readFile)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

describe('loadConfig', () => {
  it('needs no settings: every default is valid', () => {
    const config = loadConfig({})
    expect(config).to.include({
      port: 3000,
      issuer: 'http://localhost:3000',
      host: '127.0.0.1',
      databaseUrl: undefined,
      redis: undefined,
      keyEncryptionKey: undefined,
      accessTokenTtl: 600,
      authorizationCodeTtl: 60,
      logLevel: 'info',
      dataDir: resolve('data'),
    })
    expect(config.trustProxy).to.deep.equal([])
  })

  it('shows a PKCS#11 library only common variables and those that are named', () => {
    const env = {
      PATH: '/a',
      HOME: '/b',
      VENDOR_CONF: '/c',
      OTHER: 'x',
      PKCS11_ENVIRONMENT: 'VENDOR_CONF',
    }
    const { pkcs11Variables } = loadConfig(env)
    expect(pkcs11Variables).to.deep.equal({ PATH: '/a', HOME: '/b', VENDOR_CONF: '/c' })
    expect(loadConfig({}).pkcs11Variables).to.deep.equal({})
  })

  it('reads values, trims them, and treats empty variables as absent', () => {
    const config = loadConfig({ PORT: ' 8080 ', LOG_LEVEL: '', CLOCK_OFFSET_SECONDS: '-30' })
    expect(config).to.include({
      port: 8080,
      issuer: 'http://localhost:8080',
      logLevel: 'info',
      clockOffsetSeconds: -30,
    })
  })

  it('is deeply frozen', () => {
    const config = loadConfig({ TRUST_PROXY: '10.0.0.1', REDIS_URL: 'redis+cluster://a,b' })
    expect(config).to.be.frozen
    expect(config.trustProxy).to.be.frozen
    expect(config.redis).to.be.frozen
    expect(config.redis).to.have.property('nodes').that.is.frozen
  })

  it('reports all faults at once, one per line: name, expected and actual value', () => {
    const env = {
      PORT: '70000',
      ISSUER: 'ftp://x',
      LOG_LEVEL: 'loud',
      BODY_LIMIT: '1e6',
      HOST: 'a b',
    }
    expect(() => loadConfig(env))
      .to.throw(ConfigError)
      .with.property('code', 'config_invalid')
    const faults = faultsOf(env)
    expect(faults).to.have.length(5)
    expect(faults[0]).to.equal('PORT: expected an integer from 1 to 65535, got "70000"')
    expect(faults.map((fault) => fault.split(':')[0])).to.deep.equal([
      'PORT',
      'ISSUER',
      'HOST',
      'BODY_LIMIT',
      'LOG_LEVEL',
    ])
    expect(() => loadConfig(env)).to.throw(faults.join('\n'))
  })

  it('reports faults of each setting in its own words instead of those of a library', () => {
    // Values that no setting accepts, and values that only some settings refuse after parsing.
    for (const value of ['\u0001', 'http://[', 'postgres://[', '5']) {
      for (const { env: name, schema } of Object.values(settings)) {
        if (schema.safeParse(value).success) continue
        const said = faultsOf({ [name]: value }).find((fault) => fault.startsWith(`${name}: `))
        expect(said, name)
          .to.match(/^\w+: expected \S.*, got /)
          .and.not.match(/invalid|\(\)/i)
      }
    }
  })

  it('refuses a URL with a user name or password that cannot be decoded', () => {
    for (const [name, scheme] of [
      ['DATABASE_URL', 'postgres'],
      ['REDIS_URL', 'redis'],
      ['SMTP_URL', 'smtp'],
    ] as const) {
      expect(faultsOf({ [name]: `${scheme}://me:100%25@host` })).to.deep.equal([])
      const [fault, ...others] = faultsOf({ [name]: `${scheme}://me:100%@host` })
      expect(others).to.deep.equal([])
      expect(fault).to.match(/percent-encoded.*, got a value that is not shown here$/)
    }
  })

  it('does not report a default as a fault if it derives from an invalid setting', () => {
    expect(faultsOf({ PORT: 'abc' })).to.have.length(1)
    expect(faultsOf({ ISSUER: 'abc' })).to.have.length(1)
  })

  it('keeps a fault on one line, whatever the value', () => {
    const [fault] = faultsOf({ LOG_LEVEL: 'in\nfo\u001b[31m' })
    expect(fault).to.include('"in\\nfo\\u001b[31m"')
  })

  it('throws a DomainError whose public message contains no values', () => {
    try {
      loadConfig({ PORT: 'abc' })
      expect.fail('accepted')
    } catch (error) {
      if (!isDomainError(error, 'config_invalid')) throw error
      expect(error.publicMessage).to.equal('The configuration is not valid.')
    }
  })

  for (const [name, lower, upper] of [
    [
      'a key must be published for longer than the key set is cached',
      'JWKS_MAX_AGE',
      'KEY_PREPUBLISH',
    ],
    ['idle before absolute end of a session', 'SESSION_IDLE_TTL', 'SESSION_ABSOLUTE_TTL'],
    [
      'idle before absolute end of a family',
      'REFRESH_TOKEN_IDLE_TTL',
      'REFRESH_TOKEN_ABSOLUTE_TTL',
    ],
    ['header before whole request', 'HEADERS_TIMEOUT', 'REQUEST_TIMEOUT'],
  ] as const) {
    it(`compares settings: ${name}`, () => {
      expect(faultsOf({ [lower]: '7', [upper]: '7' })).to.deep.equal([])
      expect(faultsOf({ [lower]: '8', [upper]: '7' })).to.deep.equal([
        `${lower}: expected at most ${upper} (7), got 8`,
      ])
    })
  }

  it('limits settings that the security of tokens and passwords depends on', () => {
    const env = {
      ACCESS_TOKEN_TTL: '901',
      AUTHORIZATION_CODE_TTL: '601',
      PASSWORD_MIN_LENGTH: '7',
      ARGON2_MEMORY_KIB: '19455',
      ARGON2_ITERATIONS: '1',
    }
    expect(faultsOf(env)).to.have.length(5)
  })
})

describe('secrets in the configuration', () => {
  const key = randomBytes(32)

  it('are read from the environment or from a file, without its trailing newline', () => {
    const direct = loadConfig({ KEY_ENCRYPTION_KEY: key.toString('base64') })
    expect(direct.keyEncryptionKey?.equals(key)).to.equal(true)

    const files: Record<string, string> = {
      '/run/kek': `${key.toString('base64')}\r\n`,
      '/run/db': 'postgres://u:p@db/keyturn\n',
      '/run/redis': 'redis://:p@cache\n',
    }
    const config = loadConfig(
      {
        KEY_ENCRYPTION_KEY_FILE: '/run/kek',
        DATABASE_URL_FILE: '/run/db',
        REDIS_URL_FILE: '/run/redis',
      },
      (path) => files[path] ?? noFile(),
    )
    expect(config.keyEncryptionKey?.equals(key)).to.equal(true)
    expect(config.databaseUrl).to.equal('postgres://u:p@db/keyturn')
    expect(config.redis).to.deep.equal({ kind: 'single', url: 'redis://:p@cache' })
  })

  it('are refused if both are given', () => {
    expect(
      faultsOf({ DATABASE_URL: 'postgres://a', DATABASE_URL_FILE: '/b' }, () => 'postgres://b'),
    ).to.deep.equal(['DATABASE_URL: expected either DATABASE_URL or DATABASE_URL_FILE, got both'])
  })

  it('in a missing or empty file are reported with the file name', () => {
    expect(faultsOf({ KEY_ENCRYPTION_KEY_FILE: '/none' })).to.deep.equal([
      'KEY_ENCRYPTION_KEY_FILE: expected a readable file, got "/none" (ENOENT)',
    ])
    expect(faultsOf({ KEY_ENCRYPTION_KEY_FILE: '/empty' }, () => '\n')).to.deep.equal([
      'KEY_ENCRYPTION_KEY_FILE: expected a file with a value, got "/empty", which is empty',
    ])
  })

  it('are the only settings that can be read from a file', () => {
    expect(loadConfig({ PORT_FILE: '/none' }, noFile).port).to.equal(3000)
  })

  it('never appear in a fault (ASVS 16.2.5)', () => {
    const env = {
      KEY_ENCRYPTION_KEY: 'c2VjcmV0LXZhbHVl',
      DATABASE_URL: 'mysql://user:secret-value@db',
      REDIS_URL: 'http://:secret-value@cache',
      ISSUER: 'https://user:secret-value@id.example.com',
    }
    const faults = faultsOf(env)
    expect(faults).to.have.length(4)
    expect(faults.join('\n')).not.to.match(/secret-value|c2VjcmV0/)
  })

  for (const [what, value] of [
    ['31 bytes', randomBytes(31).toString('base64')],
    ['33 bytes', randomBytes(33).toString('base64')],
    ['hexadecimal', key.toString('hex')],
    ['stray characters', `${key.toString('base64').slice(0, -1)}!`],
    ['text', 'correct horse battery staple'],
  ] as const) {
    it(`refuses a key-encryption key of ${what}`, () => {
      expect(faultsOf({ KEY_ENCRYPTION_KEY: value })).to.deep.equal([
        'KEY_ENCRYPTION_KEY: expected base64 of exactly 32 bytes, got a value that is not shown here',
      ])
    })
  }
})

describe('maskUrl', () => {
  it('shows the host without credentials', () => {
    expect(maskUrl('postgres://u:p@db:5432/x?password=y')).to.equal('postgres://***@db:5432/x?***')
    expect(maskUrl('redis+sentinel://:p@a:1,b:2/main')).to.equal(
      'redis+sentinel://***@a:1,b:2/main',
    )
    expect(maskUrl('https://id.example.com/a')).to.equal('https://id.example.com/a')
  })
})
