import { expect } from 'chai'
import { isLoopbackHost, issuer, networks, postgresUrl, redisUrl } from '../../config/values.ts'

describe('ISSUER', () => {
  for (const [given, normalised] of [
    ['https://id.example.com', 'https://id.example.com'],
    ['https://id.example.com/', 'https://id.example.com'],
    ['https://ID.Example.com:443/auth/', 'https://id.example.com/auth'],
    ['http://localhost:3000', 'http://localhost:3000'],
    ['http://id.localhost', 'http://id.localhost'],
    ['http://127.8.9.1:80/', 'http://127.8.9.1'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
  ] as const) {
    it(`accepts ${given} as ${normalised}`, () => {
      expect(issuer.parse(given)).to.equal(normalised)
    })
  }

  for (const given of [
    'http://id.example.com',
    'http://localhost.example.com',
    'http://notlocalhost',
    'http://127.0.0.1.example.com',
    'http://10.0.0.1',
    'http://0.0.0.0',
    'http://[::2]',
    'https://id.example.com/?a=b',
    'https://id.example.com?',
    'https://id.example.com/#a',
    'https://id.example.com#',
    'https://user@id.example.com',
    'https://user:password@id.example.com',
    'id.example.com',
    'https:id.example.com',
    'https://id.example.com\\a',
    'javascript://id.example.com',
    'https://',
  ]) {
    it(`refuses ${given} (OpenID Connect Discovery §3, RFC 8414 §2)`, () => {
      expect(issuer.safeParse(given).success).to.equal(false)
    })
  }

  it('reports which rule was broken', () => {
    expect(issuer.safeParse('http://id.example.com').error?.issues[0]?.message).to.equal(
      'it is not https and its host is not loopback',
    )
  })
})

describe('isLoopbackHost', () => {
  it('recognises names and addresses of this machine', () => {
    for (const host of ['localhost', 'a.b.localhost', '127.0.0.1', '127.255.0.9', '[::1]']) {
      expect(isLoopbackHost(host), host).to.equal(true)
    }
    for (const host of ['', 'localhost.', '127.0.0.1.nip.io', '128.0.0.1', '[::]', 'example.com']) {
      expect(isLoopbackHost(host), host).to.equal(false)
    }
  })
})

describe('TRUST_PROXY', () => {
  it('accepts networks and addresses of both families', () => {
    expect(networks.parse('10.0.0.0/8, 192.0.2.7,fd00::/8 2001:db8::1,')).to.deep.equal([
      '10.0.0.0/8',
      '192.0.2.7/32',
      'fd00::/8',
      '2001:db8::1/128',
    ])
  })

  for (const given of [
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    'proxy.example.com',
    '10.0.0.1/',
    '/8',
  ]) {
    it(`refuses ${given}`, () => {
      expect(networks.safeParse(`10.0.0.1,${given}`).success).to.equal(false)
    })
  }
})

describe('DATABASE_URL', () => {
  it('accepts both schemes', () => {
    for (const url of ['postgres://u:p@db:5432/x', 'postgresql://db/x?sslmode=verify-full']) {
      expect(postgresUrl.parse(url)).to.equal(url)
    }
  })

  it('verifies certificates with every sslmode for which the driver does, without its warning at each start', () => {
    for (const mode of ['prefer', 'require', 'verify-ca']) {
      expect(postgresUrl.parse(`postgres://db/x?a=b&sslmode=${mode}&sslrootcert=/c`)).to.equal(
        'postgres://db/x?a=b&sslmode=verify-full&sslrootcert=/c',
      )
      const asLibpq = `postgres://db/x?uselibpqcompat=true&sslmode=${mode}`
      expect(postgresUrl.parse(asLibpq)).to.equal(asLibpq)
    }
    for (const mode of ['disable', 'no-verify']) {
      const given = `postgres://db/x?sslmode=${mode}`
      expect(postgresUrl.parse(given)).to.equal(given)
    }
  })

  it('refuses other values', () => {
    for (const url of [
      'mysql://db',
      'postgres:db',
      'file:./data',
      'postgres://db:port/x',
      'postgres://me:100%@db/x',
      'postgres://db/100%',
    ]) {
      expect(postgresUrl.safeParse(url).success, url).to.equal(false)
    }
  })
})

describe('REDIS_URL', () => {
  it('can be a single server', () => {
    for (const url of ['redis://cache:6379/2', 'rediss://u:p@cache']) {
      expect(redisUrl.parse(url)).to.deep.equal({ kind: 'single', url })
    }
  })

  it('can be a master behind Sentinels', () => {
    expect(redisUrl.parse('redis+sentinel://:p%40ss@s1:26380,s2,[::1]:9/main/3')).to.deep.equal({
      kind: 'sentinel',
      nodes: [
        { host: 's1', port: 26380 },
        { host: 's2', port: 26379 },
        { host: '::1', port: 9 },
      ],
      master: 'main',
      password: 'p@ss',
      db: 3,
    })
    expect(redisUrl.parse('redis+sentinel://s1/main')).to.include({ master: 'main', db: 0 })
  })

  it('can be nodes of a Cluster', () => {
    expect(redisUrl.parse('redis+cluster://user:100%@c1,c2:7001')).to.deep.equal({
      kind: 'cluster',
      nodes: [
        { host: 'c1', port: 6379 },
        { host: 'c2', port: 7001 },
      ],
      username: 'user',
      password: '100%',
    })
  })

  for (const given of [
    'memory:',
    'redis://',
    'redis://:100%@cache',
    'redis+sentinel://s1,s2',
    'redis+sentinel://s1,/main',
    'redis+sentinel://s1:70000/main',
    'redis+sentinel://s1/main/x',
    'redis+cluster://',
    'redis+cluster://c1/main',
    'redis+other://c1',
  ]) {
    it(`refuses ${given}`, () => {
      expect(redisUrl.safeParse(given).success).to.equal(false)
    })
  }
})
