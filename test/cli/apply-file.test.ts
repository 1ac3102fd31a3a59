import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type ApplyDocument, checkApplyFile } from '../../src/cli/apply-file.ts'
import { parseYaml } from '../../src/cli/document.ts'
import { describeFailure } from '../../src/cli/failure.ts'
import { temporaryFolder } from '../support/child.ts'

/** Parses a document like `apply`. */
function read(
  yaml: string,
  { env = {}, folder = '.', tenant = 'default' } = {},
): Promise<ApplyDocument> {
  const content = parseYaml(yaml, 'keyturn.yaml', 'apply_invalid')
  return checkApplyFile({ name: 'keyturn.yaml', folder, content }, tenant, env)
}

/** The lines about faults that an operator sees. */
async function faultsIn(yaml: string, options?: Parameters<typeof read>[1]): Promise<string[]> {
  try {
    await read(yaml, options)
  } catch (error) {
    return describeFailure(error)
      .split('\n')
      .map((line) => line.trim())
  }
  return []
}

describe('The apply file', () => {
  it('may be YAML or JSON, and omitted members get defaults', async () => {
    const yaml = await read(
      'clients:\n  - client_id: web\n    redirect_uris: [https://a.example/cb]\n',
    )
    const json = await read(
      '{"clients": [{"client_id": "web", "redirect_uris": ["https://a.example/cb"]}]}',
    )
    expect(json).to.deep.equal(yaml)
    expect(yaml.accounts).to.deep.equal([])
    expect(yaml.clients[0]?.grant_types).to.deep.equal(['authorization_code'])
    expect(await read('{}')).to.have.keys(
      'resource_servers',
      'clients',
      'accounts',
      'webhooks',
      'tenants',
    )
  })

  it('is refused with all faults at once, each with its place and the expected and actual value', async () => {
    const faults = await faultsIn(`
resource_servers:
  - identifier: not a uri
    access_token_format: xml
clients:
  - client_id: web
    redirect_uri: https://a.example/cb
    redirect_uris: [https://a.example/cb]
    grant_types: [implicit]
  - client_id: 7
accounts:
  - email: nobody
    roles: [king]
    name: "moc.\\u202Eelpmaxe"
  - email: "alice@example.com\\u202E"
  - email: "al\\u200Bice@example.com"
enrolment: { mode: open }
registration: { mode: public }
`)
    expect(faults[0]).to.equal('The apply file is not valid (file: keyturn.yaml), 12 faults:')
    const text = faults.join('\n')
    for (const expected of [
      'enrolment: unknown member; the members are sign_up, require_mfa, email_codes, resource_servers, clients, accounts, webhooks, registration, tenants',
      'registration.mode: expected one of off, token, open, got "public"',
      'clients[0].redirect_uri: unknown member; did you mean redirect_uris?',
      'clients[0].grant_types[0]: expected one of authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:device_code, urn:openid:params:grant-type:ciba, got "implicit"',
      'clients[1].client_id: expected a string, got 7',
      'resource_servers[0].identifier: must be an absolute URI without a fragment (RFC 8707 §2), got "not a uri"',
      'resource_servers[0].access_token_format: expected one of jwt, opaque, got "xml"',
      'accounts[0].email: must be an e-mail address, got "nobody"',
      'accounts[0].roles[0]: expected operator, got "king"',
      'accounts[1].email: must have no invisible characters, such as',
      'accounts[2].email: must have no invisible characters, such as',
      'accounts[0].name: must be 1 to 200 characters without control characters and characters that change the text direction (U+202A to U+202E, U+2066 to U+2069), got ',
    ]) {
      expect(text).to.include(expected)
    }
  })

  it('declares who may sign up, with normalised domains', async () => {
    const read1 = await read('sign_up: { mode: open, domains: [EXAMPLE.com, bücher.example] }')
    expect(read1.sign_up?.domains).to.deep.equal(['example.com', 'xn--bcher-kva.example'])
    expect((await read('sign_up: { mode: invitation }')).sign_up?.domains).to.deep.equal([])
    const faults = await faultsIn(`
sign_up: { mode: everybody }
tenants:
  - id: acme
    name: Acme
    sign_up: { mode: closed, domains: [example.com] }
  - id: beta
    name: Beta
    sign_up: { mode: open, domains: ['*.example.com', 'a@example.com', ''] }
`)
    const text = faults.join('\n')
    for (const expected of [
      'sign_up.mode: expected one of closed, open, invitation, got "everybody"',
      'tenants[0].sign_up.domains: are allowed only with mode open',
      'tenants[1].sign_up.domains[0]: must be a domain such as example.com',
      'tenants[1].sign_up.domains[1]: must be a domain',
      'tenants[1].sign_up.domains[2]: must be a domain',
    ]) {
      expect(text).to.include(expected)
    }
  })

  it('reports an unknown member together with the other faults of its object', async () => {
    const faults = await faultsIn(`
clients:
  - client_id: web
    colour: red
    redirect_uris: [http://a.example/cb]
`)
    expect(faults.join('\n'))
      .to.include('clients[0].colour: unknown member')
      .and.include('clients[0].redirect_uris[0]: must be https unless its host is loopback')
  })

  it('is refused with the actual type if it is not an object', async () => {
    expect(await faultsIn('')).to.have.lengthOf(1)
    expect((await faultsIn('[]'))[0]).to.include('expected an object, got []')
    expect((await faultsIn('clients:'))[0]).to.include('clients: expected a list, got null')
  })

  it('is refused with the line for broken YAML, repeated members and unknown tags', async () => {
    expect((await faultsIn('clients: [')).join()).to.match(/line 1/)
    expect((await faultsIn('clients: []\nclients: []')).join()).to.match(/unique.*line/i)
    expect((await faultsIn('clients: [{client_id: a, client_secret: !env X}]')).join()).to.match(
      /tag.*line/i,
    )
  })

  it('takes secrets from the environment and from files beside the document', async () => {
    const folder = await temporaryFolder('apply')
    await writeFile(join(folder, 'password'), 'correct horse battery\n')
    const document = await read(
      `
clients:
  - client_id: api
    grant_types: [client_credentials]
    client_secret: { env: API_SECRET }
accounts: [{ email: a@example.com, password: { file: password } }]
tenants:
  - id: acme
    name: Acme
    accounts: [{ email: a@example.com, password: { file: ${join(folder, 'password')} } }]
`,
      { folder, env: { API_SECRET: '0123456789abcdef' } },
    )
    expect(document.clients[0]?.client_secret).to.equal('0123456789abcdef')
    expect(document.accounts[0]?.password).to.equal('correct horse battery')
    expect(document.tenants[0]?.accounts[0]?.password).to.equal('correct horse battery')
  })

  it('is refused with the name of every missing secret, and without any secret', async () => {
    const faults = await faultsIn(
      `
clients:
  - { client_id: a, grant_types: [client_credentials], client_secret: { env: NOWHERE } }
  - { client_id: b, grant_types: [client_credentials], client_secret: { file: nowhere } }
  - { client_id: c, grant_types: [client_credentials], client_secret: { vault: x } }
  - { client_id: d, grant_types: [client_credentials], client_secret: hunter2 }
  - { client_id: e, redirect_uris: [https://e.example/cb], token_endpoint_auth_method: none, client_secret: hunter2hunter2hunter2 }
accounts: [{ email: a@example.com, password: [hunter2] }]
`,
      { folder: '/nowhere' },
    )
    const text = faults.join('\n')
    expect(text).to.include('clients[0].client_secret: expected the environment variable NOWHERE')
    expect(text).to.include('clients[1].client_secret: expected a readable file, got /nowhere/')
    expect(text).to.include('clients[2].client_secret: expected a string, { env: NAME } or')
    expect(text).to.include('clients[3].client_secret: must be 16 to 512 printable ASCII')
    expect(text).to.include(
      'clients[4].client_secret: must be absent with token_endpoint_auth_method none',
    )
    expect(text).to.include('accounts[0].password: expected a string, { env: NAME } or')
    expect(text).not.to.include('hunter2')
  })

  it('is refused without revealing secrets in invalid values, at any depth and in any form', async () => {
    const key = '{"kty":"EC","d":"hunter2","crv":"P-256","x":"x","y":"y"}'
    const [begin, end] = ['BEGIN', 'END'].map((word) => `-----${word} EC PRIVATE KEY-----`)
    const pem = `${begin}hunter2${end}`
    const client = 'client_id: a, grant_types: [client_credentials]'
    for (const [yaml, said] of [
      ['clients: { client_secret: hunter2 }', 'clients: expected a list, got {"client_secret":'],
      ['tenants: { clients: [{ client_secret: hunter2 }] }', 'tenants: expected a list, got {'],
      ['accounts: { password: hunter2, password_hash: hunter2 }', 'accounts: expected a list'],
      ['clients: [\'{"client_secret": "hunter2"}\']', 'clients[0]: expected an object, got "('],
      ['accounts: [password:hunter2]', 'accounts[0]: expected an object, got "('],
      ['webhooks: [{ url: "https://a.example/", secret: hunter2 }]', 'webhooks[0].secret: must be'],
      [`clients: [{ ${client}, jwks: { keys: [${key}] } }]`, 'it has the private member "d", got'],
      [`clients: [{ ${client}, jwks: { keys: ${key} } }]`, 'keys: expected a list, got {"kty"'],
      [`clients: [{ ${client}, jwks: '${key}' }]`, 'jwks: expected an object, got "('],
      [`clients: [{ ${client}, jwks: '${pem}' }]`, 'jwks: expected an object, got "('],
      [`clients: [{ ${client}, jwks: { keys: [hunter2] } }]`, 'jwks.keys[0]: expected an object'],
      [`clients: [{ ${client}, jwks: { keys: { d: 2, n: hunter2 } } }]`, 'keys: expected a list'],
      [`clients: { jwks: hunter2 }`, 'clients: expected a list, got {"jwks":"('],
      [`clients: ['${pem}']`, 'clients[0]: expected an object, got "('],
      [`clients: [{ ${client}, client_secret: !hunter2 }]`, 'an unknown tag'],
      [`clients: [{ ${client}, client_secret: *hunter2 }]`, 'an alias without an anchor'],
      [`clients: [{ ${client}, client_secret: !a!hunter2 }]`, 'an unknown tag'],
      [`clients: [{ ${client}, client_secret: !hunter2! }]`, 'an unknown tag'],
      ['clients:\n  - client_secret: |hunter2\n', 'needs quotes) at line 2, column 21'],
      ['clients:\n  - client_secret: >hunter2\n', 'needs quotes) at line 2, column 21'],
      ['clients:\n  - client_secret: "\\xhunter2"\n', 'as two) at line 2, column 21'],
      ['clients: []\n]hunter2\n', 'needs quotes) at line 2'],
      ['%hunter2\n---\nclients: []\n', 'an unknown directive'],
      ['%YAML hunter2\n---\nclients: []\n', 'an unknown directive'],
      ['clients: []\n---\nhunter2\n', 'expected one document, got several at line 2'],
    ] as const) {
      const text = (await faultsIn(yaml)).join('\n')
      expect(text, yaml).to.include(said)
      expect(text, yaml).not.to.include('hunter2')
    }
  })

  it('is refused if Postgres cannot store a text, with its place (ASVS 2.2.1)', async () => {
    const rule = 'must not contain U+0000, half a surrogate pair or more than 100 levels of nesting'
    for (const [yaml, place] of [
      ['clients: [{ client_id: web, resources: ["a\\0"] }]', 'clients[0].resources[0]'],
      ['accounts: [{ email: a@example.com, username: "\\ud800" }]', 'accounts[0].username'],
      ['tenants: [{ id: acme, "a\\0": 1 }]', 'tenants[0]'],
    ] as const) {
      const [fault, ...others] = await faultsIn(yaml)
      expect(fault, yaml).to.include(`): ${place}: ${rule}`)
      expect(others, yaml).to.deep.equal([])
    }
  })

  it('is refused if anything is declared twice, also in several sections of one tenant', async () => {
    const faults = await faultsIn(`
resource_servers:
  - { identifier: 'https://a.example', default: true }
  - { identifier: 'https://b.example', default: true }
accounts: [{ email: Alice@example.com }, { email: ' alice@EXAMPLE.com' }, { email: alice@example.com }]
tenants:
  - { id: acme, name: Acme }
  - { id: acme, name: Acme }
  - { id: default, name: Default, accounts: [{ email: ALICE@example.com }] }
`)
    const text = faults.join('\n')
    expect(text).to.include('resource_servers[1].default: another one is already the default')
    expect(text).to.include('accounts[2]: alice@example.com is declared twice')
    expect(text).to.include('tenants[1]: is declared twice')
    expect(text).to.include('tenants[2].accounts[0]: ALICE@example.com is declared twice')
  })

  it('may declare the same account in several tenants', async () => {
    const faults = await faultsIn(`
accounts: [{ email: alice@example.com }]
tenants: [{ id: acme, name: Acme, accounts: [{ email: alice@example.com }] }]
`)
    expect(faults).to.deep.equal([])
  })
})
