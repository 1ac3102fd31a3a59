import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { doctorStorage } from '../../src/cli/doctor-storage.ts'
import type { Client } from '../../src/clients/client.ts'
import { cibaGrant, deviceCodeGrant } from '../../src/clients/client.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { type Nodes, openedNodes, refusalOf } from '../support/cores.ts'

onAnyStorage('clients', (kind) => {
  const nodes = openedNodes(kind)

  let clients = 0
  const confidential = (members: object = {}) => ({
    client_id: `client-${clients++}`,
    redirect_uris: ['https://app.example.com/callback'],
    ...members,
  })
  const declare = (declaration: object, tenant = defaultTenant) =>
    nodes.a.clients.declare(tenant, declaration)
  async function find(clientId: string): Promise<Client> {
    const all = await nodes.a.clients.page(defaultTenant, { limit: 100 })
    const client = all.find((each) => each.clientId === clientId)
    if (!client) throw new Error(`no client ${clientId}`)
    return client
  }
  const fits = async (clientId: string, secret: string) =>
    nodes.a.clients.secretFits(await find(clientId), secret)
  const given = 'a secret from outside'
  /** The stored row, and the transaction that locked it last (`xmax`). */
  const rowOf = (clientId: string) =>
    nodes.a.database.query('select *, xmax::text from clients where client_id = $1', [clientId])

  it('stay unchanged when declared twice', async () => {
    const declaration = confidential({ client_secret: given, client_name: 'App' })
    const { client_id: clientId } = declaration
    expect(await declare(declaration)).to.deep.equal({
      outcome: 'created',
      clientId,
      secretChanged: true,
    })
    const before = await rowOf(clientId)
    const sameSecret = { clientId, secretChanged: false }
    expect(await declare(declaration)).to.deep.equal({ ...sameSecret, outcome: 'unchanged' })
    expect(await rowOf(clientId)).to.deep.equal(before)
    const other = { ...declaration, client_name: 'Other' }
    expect(await declare(other)).to.deep.equal({ ...sameSecret, outcome: 'updated' })
    expect((await find(clientId)).metadata).to.include({ client_name: 'Other' })
  })

  it('are created or updated when several are declared at once, without a lock on unchanged ones', async () => {
    const put = async (declarations: object[], only?: 'new') => {
      const { checked } = nodes.a.clients
      const all = await Promise.all(declarations.map((each) => checked(defaultTenant, each)))
      return nodes.a.clients.put(defaultTenant, all, only)
    }
    const same = confidential({ client_secret: given })
    const [other, fresh] = [confidential(), confidential()]
    const { client_id: clientId } = same
    await put([same, other], 'new')
    const before = await rowOf(clientId)
    const [created, ...others] = await put([fresh, same, { ...other, client_name: 'Other' }])
    expect(created).to.deep.include({ outcome: 'created', clientId: fresh.client_id })
    expect(await fits(fresh.client_id, created?.clientSecret as string)).to.equal(true)
    expect(others).to.deep.equal([
      { outcome: 'unchanged', clientId, secretChanged: false },
      { outcome: 'updated', clientId: other.client_id, secretChanged: false },
    ])
    expect(await rowOf(clientId)).to.deep.equal(before)
    const { detail } = await refusalOf(put([confidential(), same], 'new'), 'already_exists')
    expect(detail).to.deep.equal({ client_id: clientId })
  })

  it('get a generated id and secret if none is given, and the secret is shown once', async () => {
    const { clientId, clientSecret, outcome } = await declare({
      redirect_uris: ['https://app.example.com/callback'],
    })
    expect(outcome).to.equal('created')
    expect(clientId).to.match(/^[\da-f-]{36}$/)
    expect(clientSecret).to.match(/^[\w-]{43}$/)
    expect(await fits(clientId, clientSecret as string)).to.equal(true)

    const again = await declare(confidential({ client_id: clientId }))
    expect(again).to.deep.equal({ outcome: 'unchanged', clientId, secretChanged: false })
    expect(await fits(clientId, clientSecret as string)).to.equal(true)
  })

  it('cannot have the name of a member of every object as id, nor be found by it (C16)', async () => {
    for (const id of Object.getOwnPropertyNames(Object.prototype)) {
      const refusal = await refusalOf(declare(confidential({ client_id: id })))
      expect(refusal.code, id).to.equal('client_invalid')
      expect(JSON.stringify(refusal.detail), id).to.contain(
        'client_id: must not be the name of a built-in JavaScript property',
      )
      await nodes.a.database.query(
        `insert into clients (tenant_id, client_id, metadata, created_at, updated_at)
         values ($1, $2, $3, now(), now())`,
        [defaultTenant, id, JSON.stringify({ ...confidential(), client_id: id })],
      )
      expect(await nodes.a.clients.find(defaultTenant, id), id).to.equal(undefined)
    }
    const checks = () => doctorStorage.execute(nodes.a, {})
    const found = (await checks()).find(({ name }) => name === 'clients')
    expect(found).to.include({ status: 'fail' })
    expect(found?.message).to.match(
      /: \w+ \(tenant default\): client_id: must not .*; and 7 more\.$/,
    )
    for (const id of Object.getOwnPropertyNames(Object.prototype)) {
      await nodes.a.clients.delete(defaultTenant, [id])
    }
    expect((await declare(confidential({ client_id: 'constructors' }))).outcome).to.equal('created')
  })

  it('authenticate only with their own secret, in either stored form', async () => {
    const own = await declare(confidential())
    const outside = await declare(confidential({ client_secret: given }))
    const secret = own.clientSecret as string
    expect(await fits(outside.clientId, given)).to.equal(true)
    for (const wrong of ['', given.toUpperCase(), `${given} `, secret]) {
      expect(await fits(outside.clientId, wrong), wrong).to.equal(false)
    }
    expect(await fits(own.clientId, given)).to.equal(false)
    const [stored] = (await find(own.clientId)).secrets
    expect(await fits(own.clientId, stored?.hash as string), 'the hash is not accepted').to.equal(
      false,
    )
    const dump = JSON.stringify(await nodes.a.database.query('select * from client_secrets'))
    expect(dump).to.not.contain(secret).and.not.contain(given)
  })

  it('authenticate with each of their secrets until it expires', async () => {
    const soon = Date.now() + 60_000
    const base = await find((await declare(confidential({ client_secret: given }))).clientId)
    const other = await find(
      (await declare(confidential({ client_secret: 'another secret of them' }))).clientId,
    )
    const [first, second] = [base.secrets[0], other.secrets[0]]
    if (!first || !second) throw new Error('no secrets')
    const set = (secrets: Client['secrets'], secret: string) =>
      nodes.a.clients.secretFits({ ...base, secrets }, secret)
    expect(set([second, first], given)).to.equal(true)
    expect(set([first, second], given)).to.equal(true)
    expect(set([{ ...first, expiresAt: soon }, second], given)).to.equal(true)
    expect(set([{ ...first, expiresAt: Date.now() - 1 }, second], given)).to.equal(false)
    expect(set([], given)).to.equal(false)
  })

  it('rotate their secret with an overlap, after which the old one is invalid', async () => {
    const { clientId, clientSecret: old } = await declare(confidential())
    const fresh = await nodes.a.clients.rotateSecret(defaultTenant, clientId, 3600)
    expect(fresh)
      .to.match(/^[\w-]{43}$/)
      .and.not.equal(old)
    expect(await fits(clientId, old as string)).to.equal(true)
    expect(await fits(clientId, fresh)).to.equal(true)
    const clock = install({ now: Date.now() + 3601_000, toFake: ['Date'] })
    try {
      expect(await fits(clientId, old as string)).to.equal(false)
      expect(await fits(clientId, fresh)).to.equal(true)
    } finally {
      clock.uninstall()
    }
  })

  it('rotate again without a longer lifetime for the oldest secret', async () => {
    const { clientId, clientSecret: oldest } = await declare(confidential())
    const middle = await nodes.a.clients.rotateSecret(defaultTenant, clientId, 60)
    const newest = await nodes.a.clients.rotateSecret(defaultTenant, clientId, 3600)
    const clock = install({ now: Date.now() + 120_000, toFake: ['Date'] })
    try {
      expect(await fits(clientId, oldest as string)).to.equal(false)
      expect(await fits(clientId, middle)).to.equal(true)
      expect(await fits(clientId, newest)).to.equal(true)
    } finally {
      clock.uninstall()
    }
    const last = await nodes.a.clients.rotateSecret(defaultTenant, clientId, 0)
    expect(await fits(clientId, newest), 'without overlap, invalid at once').to.equal(false)
    expect(await fits(clientId, last)).to.equal(true)
  })

  it('have exactly the secret of the latest declaration', async () => {
    const declaration = confidential({ client_secret: given })
    const { clientId } = await declare(declaration)
    const next = { ...declaration, client_secret: 'the next one from outside' }
    expect((await declare(next)).outcome).to.equal('updated')
    expect(await fits(clientId, given)).to.equal(false)
    expect(await fits(clientId, next.client_secret)).to.equal(true)
    expect((await declare(declaration)).outcome, 'and back').to.equal('updated')
    expect(await fits(clientId, given)).to.equal(true)
    expect(await fits(clientId, next.client_secret)).to.equal(false)
  })

  it('have no secret if they are public, and lose an earlier one', async () => {
    const members = confidential()
    const { clientId } = await declare({ ...members, client_secret: given })
    const open = { ...members, token_endpoint_auth_method: 'none' }
    expect(await declare(open)).to.deep.equal({
      outcome: 'updated',
      clientId,
      secretChanged: true,
    })
    expect((await find(clientId)).secrets).to.deep.equal([])
    expect(await fits(clientId, given)).to.equal(false)
    expect((await declare(open)).outcome).to.equal('unchanged')
    await refusalOf(nodes.a.clients.rotateSecret(defaultTenant, clientId, 0), 'client_invalid')
    await refusalOf(declare({ ...open, client_secret: given }), 'client_invalid')
    await refusalOf(nodes.a.clients.rotateSecret(defaultTenant, 'unknown', 0), 'client_not_found')
  })

  it('for devices need no redirect URI, and may use refresh tokens (RFC 8628)', async () => {
    const device = { grant_types: [deviceCodeGrant, 'refresh_token'] }
    const { clientId } = await declare({ ...device, token_endpoint_auth_method: 'none' })
    expect((await find(clientId)).metadata).to.deep.include({ ...device, redirect_uris: [] })
    await refusalOf(declare({ grant_types: [deviceCodeGrant, 'password'] }), 'client_invalid')
  })

  it('for CIBA must name a delivery mode, and must authenticate (CIBA §4)', async () => {
    const poll = { grant_types: [cibaGrant], backchannel_token_delivery_mode: 'poll' }
    const ping = { ...poll, backchannel_token_delivery_mode: 'ping' }
    const backchannel_client_notification_endpoint = 'https://app.example.com/ciba'
    await declare(poll)
    const { clientId } = await declare({ ...ping, backchannel_client_notification_endpoint })
    expect((await find(clientId)).metadata).to.include({ backchannel_client_notification_endpoint })
    const refused: [Record<string, unknown>, RegExp][] = [
      [{ grant_types: [cibaGrant] }, /backchannel_token_delivery_mode: must be poll or ping/],
      [{ ...poll, backchannel_token_delivery_mode: 'push' }, /push is not supported/],
      [{ ...poll, token_endpoint_auth_method: 'none' }, /must not be none/],
      [ping, /backchannel_client_notification_endpoint: is required/],
      [{ ...ping, backchannel_client_notification_endpoint: 'http://a.example/' }, /must be https/],
      [{ ...poll, backchannel_user_code_parameter: true }, /must be false/],
      [
        { ...poll, ...{ backchannel_authentication_request_signing_alg: 'HS256' } },
        /backchannel_authentication_request_signing_alg/,
      ],
    ]
    for (const [members, reason] of refused) {
      const { detail } = await refusalOf(declare(members), 'client_invalid')
      expect(JSON.stringify(detail)).to.match(reason)
    }
  })

  it('are refused with all faults at once, and nothing is stored', async () => {
    const refusal = await refusalOf(
      declare({
        client_id: 'faulty',
        client_secret: 'short',
        redirect_uris: ['http://app.example.com/', 'https://app.example.com/#x'],
        client_uri: 'javascript:alert(1)',
        grant_types: ['password'],
        colour: 'red',
      }),
      'client_invalid',
    )
    const { client_id, faults } = refusal.detail as { client_id: string; faults: string[] }
    expect(client_id).to.equal('faulty')
    const text = faults.join('\n')
    for (const part of ['client_secret', 'client_uri', 'grant_types', 'colour']) {
      expect(text).to.contain(part)
    }
    expect(JSON.stringify(refusal.detail), 'no secret in a message').to.not.contain('short')
    expect(await nodes.a.clients.find(defaultTenant, 'faulty')).to.equal(undefined)
  })

  it('are refused with every fault between their members', async () => {
    const refusal = await refusalOf(
      declare(
        confidential({
          redirect_uris: ['http://app.example.com/', 'https://app.example.com/#x'],
          token_endpoint_auth_method: 'none',
          grant_types: ['refresh_token', 'client_credentials'],
          require_pkce: false,
        }),
      ),
      'client_invalid',
    )
    const { faults } = refusal.detail as { faults: string[] }
    expect(faults.map((fault) => fault.split(':')[0])).to.deep.equal([
      'redirect_uris[0]',
      'redirect_uris[1]',
      'grant_types',
      'grant_types',
      'require_pkce',
    ])
  })

  it('are refused if the declaration is not an object with members', async () => {
    for (const declaration of [null, undefined, 'text', 42, [], {}]) {
      await refusalOf(nodes.a.clients.declare(defaultTenant, declaration), 'client_invalid')
    }
  })

  it('that are invalid in storage or disabled do not affect others', async () => {
    const broken = await declare(confidential())
    const sound = await declare(confidential())
    const update = (set: string, clientId: string) =>
      nodes.a.database.execute(`update clients set ${set} where client_id = $1`, [clientId])
    await update(`metadata = '{"redirect_uris": 7}'`, broken.clientId)
    expect(await find(broken.clientId)).to.deep.include({ metadata: { redirect_uris: 7 } })
    expect((await find(sound.clientId)).metadata).to.include({ client_id: sound.clientId })
    await update('disabled_at = now()', sound.clientId)
    expect(await nodes.b.clients.find(defaultTenant, sound.clientId)).to.equal(undefined)
  })

  it('of one tenant are unknown in another', async () => {
    await nodes.a.tenants.declare({ id: 'other', name: 'Other' })
    const { clientId } = await declare(confidential())
    expect(await nodes.a.clients.find('other', clientId)).to.equal(undefined)
    const same = await declare(confidential({ client_id: clientId }), 'other')
    expect(same.outcome).to.equal('created')
    expect(await fits(clientId, same.clientSecret as string)).to.equal(false)
  })

  it('show changes of this node at once, and of other nodes within a second', async () => {
    const { clientId } = await declare(confidential({ client_name: 'Before' }))
    const nameOn = async (node: Nodes['a']) =>
      (await node.clients.find(defaultTenant, clientId))?.metadata as { client_name: string }
    expect((await nameOn(nodes.b)).client_name).to.equal('Before')
    await declare(confidential({ client_id: clientId, client_name: 'After' }))
    expect((await nameOn(nodes.a)).client_name).to.equal('After')
    const clock = install({ now: Date.now() + 1000, toFake: ['Date'] })
    try {
      expect((await nameOn(nodes.b)).client_name).to.equal('After')
    } finally {
      clock.uninstall()
    }
  })

  it('declared 10 times concurrently are one client with one secret', async () => {
    const declaration = confidential({ client_id: 'raced' })
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        (i % 2 ? nodes.a : nodes.b).clients.declare(defaultTenant, declaration),
      ),
    )
    const secrets = outcomes.flatMap(({ clientSecret }) => clientSecret ?? [])
    expect(secrets).to.have.length(1)
    expect((await find('raced')).secrets).to.have.length(1)
    expect(await fits('raced', secrets[0] as string)).to.equal(true)
  })

  it('that an operator disabled stay disabled when they are declared again', async () => {
    const declaration = confidential({ client_id: 'suspended' })
    await nodes.a.clients.declare(defaultTenant, declaration)
    await nodes.a.clients.setDisabled(defaultTenant, 'suspended', true)
    const { outcome } = await nodes.a.clients.declare(defaultTenant, declaration)
    expect(outcome).to.equal('unchanged')
    expect(await nodes.a.clients.find(defaultTenant, 'suspended')).to.equal(undefined)
    await nodes.a.clients.setDisabled(defaultTenant, 'suspended', false)
    expect(await nodes.a.clients.find(defaultTenant, 'suspended')).to.not.equal(undefined)
  })

  it('in one transaction are validated with one engine, and with keys for each algorithm that they name', async () => {
    const { a: core } = nodes
    let opened = 0
    const open = core.signing.open
    core.signing.open = (tenant) => {
      opened++
      return open(tenant)
    }
    try {
      await core.database.transaction(async () => {
        for (let i = 0; i < 10; i++) await declare(confidential({ client_secret: given }))
        expect(opened).to.equal(1)
        for (const alg of ['EdDSA', 'PS256', 'EdDSA']) {
          await declare(confidential({ client_secret: given, id_token_signed_response_alg: alg }))
        }
        expect(opened).to.equal(3)
        const wrong = confidential({ client_secret: given, default_acr_values: ['none'] })
        await refusalOf(declare(wrong), 'client_invalid')
        const elsewhere = confidential({
          subject_type: 'pairwise',
          redirect_uris: ['https://a.example.com/cb', 'https://b.example.com/cb'],
        })
        await refusalOf(declare(elsewhere), 'client_invalid')
      })
      const { published } = await core.signing.open(defaultTenant)
      expect(published.map(({ alg }) => alg)).to.include.members(['EdDSA', 'PS256'])
    } finally {
      core.signing.open = open
    }
  })

  it('cannot have the id of the server’s own pages', async () => {
    const declared = nodes.a.clients.declare(
      defaultTenant,
      confidential({ client_id: 'keyturn-account' }),
    )
    const refused = await refusalOf(declared, 'client_invalid')
    expect(JSON.stringify(refused.detail)).to.contain('is reserved for the pages of this server')
  })
})
