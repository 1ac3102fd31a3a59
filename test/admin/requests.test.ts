import { expect } from 'chai'
import { type Asking, ask, bootstrap, machineWith, tokenOf } from '../support/admin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import type { Page } from '../support/http-exchange.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { remember } from '../support/witness.ts'

/** Rules for every request to the admin API, whatever its route. */
describe('a request to the admin API', () => {
  const server = booted(anyStorage)
  let token: string
  const clients = '/tenants/default/clients'
  const accounts = '/tenants/default/accounts/'
  async function someAccount(): Promise<string> {
    const page = await send('POST', accounts.slice(0, -1), { body: { email: 'some@example.com' } })
    const { id, one_time_password: secret } = page.json() as Record<string, string>
    remember(secret as string)
    return id as string
  }
  const machine = (id: string) => ({ client_id: id, grant_types: ['client_credentials'] })

  before(async () => {
    token = await tokenOf(server, await bootstrap(server))
    await server.core.tenants.declare({ id: 'lists', name: 'Lists' })
  })

  const send = (method: string, path: string, asking: Asking = {}) =>
    ask(server, method, path, { token, ...asking })

  function expectProblem(page: Page, status: number, code: string, ...errors: RegExp[]): void {
    expect(page.headers.get('content-type')).to.equal('application/problem+json')
    const body = page.json() as Record<string, unknown>
    expect(body, page.body).to.include({ status, code })
    expect(page.status).to.equal(status)
    expect(body['type']).to.equal(`${server.issuer}/admin/v1/#error-${code}`)
    expect(body['request_id']).to.equal(page.headers.get('request-id'))
    const said = (body['errors'] ?? []) as string[]
    expect(said, page.body).to.have.length(errors.length)
    errors.forEach((pattern, i) => expect(said[i]).to.match(pattern))
  }

  it('whose search times out is answered with the results so far and a cursor to continue', async () => {
    const { views } = server.core.accounts
    const { page } = views
    const after: unknown[] = []
    views.page = async (_tenant, _filter, place) => {
      after.push(place.after)
      return { rows: [], ...(after.length === 1 ? { stoppedAt: 'so-far' } : {}) }
    }
    try {
      const search = `${accounts.slice(0, -1)}?q=x`
      const first = (await send('GET', search)).json() as { items: []; next_cursor: string }
      expect(first.items).to.deep.equal([])
      const next = await send('GET', `${search}&cursor=${first.next_cursor}`)
      expect(next.json()).to.deep.equal({ items: [] })
    } finally {
      views.page = page
    }
    expect(after).to.deep.equal([undefined, 'so-far'])
  })

  it('is refused with the invalid members and their values (C21, ASVS 15.3.3)', async () => {
    const body = { ...machine('x'), roles: ['owner'], disabled: true, redirect_uris: 'none' }
    expectProblem(
      await send('POST', clients, { body }),
      400,
      'request_invalid',
      /^roles: unknown member/,
      /^disabled: unknown member/,
      /^redirect_uris: expected a list, got "none"/,
    )
    expectProblem(
      await send('GET', `${clients}?limit=0&sort=x`),
      400,
      'request_invalid',
      /^sort: unknown member/,
      /^limit: /,
    )
    expectProblem(
      await send('GET', `${clients}?q=a&q=b`),
      400,
      'request_invalid',
      /^q: was sent twice/,
    )
    const nul = { client_name: 'a\0b' }
    expectProblem(await send('POST', clients, { body: nul }), 400, 'request_invalid', /U\+0000/)
  })

  it('is refused without revealing its secrets in the response, the log or the denial (C19)', async () => {
    const secret = 'of-a-key-that-should-be-at-home'
    remember(secret)
    const key = { kty: 'EC', d: secret, crv: 'P-256', x: 'x', y: 'y' }
    for (const [faulty, pattern] of [
      [
        { jwks: { keys: [key] } },
        /^jwks\.keys\[0\]: must be a public key, but it has the private member "d"/,
      ],
      [{ jwks: { keys: key } }, /^jwks\.keys: expected a list, got/],
      [{ jwks: JSON.stringify(key) }, /^jwks: expected an object, got/],
      [{ contacts: { client_secret: secret } }, /^contacts: expected a list, got/],
    ] as const) {
      const page = await send('POST', clients, { body: { ...machine('x'), ...faulty } })
      expectProblem(page, 400, 'request_invalid', pattern)
      expect(page.body).not.to.include(secret)
      const denied = await send('GET', `/denials/${page.headers.get('request-id')}`)
      expect(denied.status).to.equal(200)
      expect(denied.body).not.to.include(secret)
    }
  })

  it('has a JSON body of limited size, or none (C23, ASVS 4.1.1)', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const page = await send('POST', clients, { body: {}, headers: form })
    expectProblem(page, 415, 'media_type_unsupported')
    const long = { client_name: 'a'.repeat(60_000) }
    expectProblem(await send('POST', clients, { body: long }), 413, 'body_too_large')
    const stray = await send('POST', `${clients}/keyturn-admin/enable`, { body: {} })
    expectProblem(stray, 400, 'request_invalid', /^body: expected no body/)
  })

  it('must use an existing path and method (C29)', async () => {
    for (const path of ['/', '/nothing', `${clients}/a/b/c`, `${clients}/%00`, `${clients}/%zz`]) {
      if (path !== '/') expectProblem(await send('GET', path), 404, 'not_found')
    }
    const page = await send('PATCH', clients, { body: {} })
    expectProblem(page, 405, 'method_not_allowed')
    expect(page.headers.get('allow')).to.equal('GET, POST')
    expectProblem(await send('GET', '/tenants/nobody/clients'), 404, 'not_found')
    const other = await ask({ ...server, issuer: `${server.issuer}/t/lists` }, 'GET', clients, {
      token,
    })
    expect(other.status).to.equal(404)
  })

  it('walks a list page by page; a cursor is valid only for the list it was issued for (C28)', async () => {
    for (const id of ['list-a', 'list-b', 'list-c']) {
      await server.core.clients.declare('default', { ...machine(id), client_name: 'LISTED' })
    }
    const seen: unknown[] = []
    let next: string | undefined = ''
    let cursor = ''
    while (next !== undefined) {
      const query: string = `q=listed&limit=2${next === '' ? '' : `&cursor=${next}`}`
      const page = (await send('GET', `${clients}?${query}`)).json() as {
        items: Array<{ client_id: string }>
        next_cursor?: string
      }
      seen.push(...page.items.map(({ client_id }) => client_id))
      next = page.next_cursor
      cursor ||= next ?? ''
    }
    expect(seen).to.deep.equal(['list-a', 'list-b', 'list-c'])
    const [place = '', mac = ''] = cursor.split('.')
    const forged = Buffer.from('["zzz"]').toString('base64url')
    for (const wrong of [place, `${forged}.${mac}`, `${place}.`, "' or 1=1 --"]) {
      const page = await send('GET', `${clients}?cursor=${encodeURIComponent(wrong)}`)
      expectProblem(page, 400, 'request_invalid', /^cursor: expected next_cursor/)
    }
    const elsewhere = await send('GET', `/tenants/lists/clients?cursor=${cursor}`)
    expectProblem(elsewhere, 400, 'request_invalid', /^cursor/)
  })

  it('with an Idempotency-Key is executed once, and a repeat gets the same response, stored encrypted (C26)', async () => {
    const headers = { 'idempotency-key': 'key-1' }
    const asking = { body: machine('once'), headers }
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => send('POST', clients, asking)),
    )
    expect(answers.map(({ status }) => status)).to.deep.equal([201, 201, 201, 201, 201])
    expect(new Set(answers.map(({ body }) => body))).to.have.property('size', 1)
    const { client_secret } = JSON.parse(answers[0]?.body ?? '') as { client_secret: string }
    // The server searches its stores for this secret when it stops.
    remember(client_secret)
    const other = { body: machine('twice'), headers }
    expectProblem(await send('POST', clients, other), 422, 'idempotency_key_reused')
    const again = { body: machine('once') }
    expectProblem(await send('POST', clients, again), 409, 'already_exists')

    const somebody = await tokenOf(server, await machineWith(server, 'operator'))
    const theirs = await send('POST', clients, { ...other, token: somebody })
    expect(theirs.status, 'keys of different callers do not collide').to.equal(201)
    remember((theirs.json() as { client_secret: string }).client_secret)

    const failing = { body: machine('once'), headers: { 'idempotency-key': 'key-2' } }
    expectProblem(await send('POST', clients, failing), 409, 'already_exists')
    const fine = { body: machine('thrice'), headers: { 'idempotency-key': 'key-2' } }
    const page = await send('POST', clients, fine)
    expect(page.status, 'a failed response is not stored').to.equal(201)
    remember((page.json() as { client_secret: string }).client_secret)
  })

  it('with an Idempotency-Key is executed once, even with several transactions or an If-Match (C26)', async () => {
    const key = (name: string, more = {}) => ({ headers: { 'idempotency-key': name, ...more } })
    const off = () => send('POST', `${clients}/once/disable`, key('off'))
    const first = await off()
    expect(first.json()).to.deep.include({ client_id: 'once' })
    expect((await send('POST', `${clients}/once/enable`, key('on'))).status).to.equal(200)
    const again = await off()
    expect([again.status, again.body, again.headers.get('etag')]).to.deep.equal([
      200,
      first.body,
      first.headers.get('etag'),
    ])
    expect(await server.core.clients.isDisabled('default', 'once'), 'not disabled again').to.equal(
      false,
    )
    const other = send('POST', `${clients}/twice/disable`, key('off'))
    expectProblem(await other, 422, 'idempotency_key_reused')
    expectProblem(
      await send('POST', `${clients}/nobody/disable`, key('failing')),
      404,
      'client_not_found',
    )
    const spare = await send('POST', `${clients}/once/enable`, key('failing'))
    expect(spare.status, 'a failed response is not stored').to.equal(200)

    const read = await send('GET', `${clients}/once`)
    const etag = read.headers.get('etag') as string
    const body = { ...machine('once'), client_name: 'Renamed' }
    const put = (ifMatch: string) =>
      send('PUT', `${clients}/once`, { body, ...key('put', { 'if-match': ifMatch }) })
    const written = await put(etag)
    expect(written.status, written.body).to.equal(200)
    // Without the key, or with another If-Match, the response would be 412.
    expect((await put(etag)).body).to.equal(written.body)
    expectProblem(await put('"other"'), 422, 'idempotency_key_reused')
  })

  it('in progress is not executed concurrently, and may be repeated after it was cut off (C26)', async () => {
    const { idempotency } = server.core
    const named = { tenant: 'default', caller: 'somebody', key: 'apart', request: 'POST' }
    const answer = (body: string) => ({ status: 200, headers: {}, body })
    const refusalOf = (work: Promise<unknown>) =>
      work.then(
        () => 'none',
        (error: { code: string }) => error.code,
      )
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof answer>>()
    const started = Promise.withResolvers<void>()
    const first = idempotency.onceApart(named, () => {
      started.resolve()
      return promise
    })
    await started.promise
    const second = idempotency.onceApart(named, async () => answer('second'))
    expect(await refusalOf(second)).to.equal('idempotency_key_in_use')
    resolve(answer('first'))
    expect(await first).to.deep.equal(answer('first'))
    const third = idempotency.onceApart(named, async () => answer('third'))
    expect(await third).to.deep.equal(answer('first'))

    const broken = { ...named, key: 'broken' }
    const failing = idempotency.onceApart(broken, () => Promise.reject(new Error('no')))
    expect(await refusalOf(failing)).to.equal(undefined)
    const cut = { ...named, key: 'broken' }
    const begun = Promise.withResolvers<void>()
    void idempotency.onceApart(cut, () => {
      begun.resolve()
      return new Promise(() => undefined)
    })
    await begun.promise
    const retry = () => idempotency.onceApart(cut, async () => answer('again'))
    expect(await refusalOf(retry())).to.equal('idempotency_key_in_use')
    try {
      travel(61)
      const otherwise = idempotency.onceApart({ ...cut, request: 'PUT' }, async () => answer('no'))
      expect(await refusalOf(otherwise)).to.equal('idempotency_key_reused')
      expect(await retry()).to.deep.equal(answer('again'))

      // A day later the key is free, and the stored response no longer applies.
      travel(24 * 3600 + 61)
      const anew = { ...named, request: 'another' }
      const failed = idempotency.onceApart(anew, () => Promise.reject(new Error('no')))
      expect(await refusalOf(failed)).to.equal(undefined)
      const now = idempotency.onceApart(anew, async () => answer('of today'))
      expect(await now).to.deep.equal(answer('of today'))
    } finally {
      backToPresent()
    }
  })

  it('that changes something records an event with the actor and role, in the same transaction (ASVS 16.3.3)', async () => {
    interface Row {
      type: string
      actor_kind: string
      actor_id: string
      actor_role: string | null
      detail: Record<string, unknown>
    }
    const eventsOf = (page: Page) =>
      server.core.database.query<Row>(
        'select type, actor_kind, actor_id, actor_role, detail from audit_events where request_id = $1',
        [page.headers.get('request-id')],
      )
    const rotated = await send('POST', `${clients}/once/secrets`, { body: { overlap: 0 } })
    remember((rotated.json() as { client_secret: string }).client_secret)
    const actor = { actor_kind: 'client', actor_id: 'keyturn-admin', actor_role: 'owner' }
    expect(await eventsOf(rotated)).to.deep.equal([
      { type: 'client.secret_rotated', ...actor, detail: { overlap: 0 } },
    ])

    // Changes without their own event type are recorded by the route.
    const renamed = await send('PATCH', accounts + (await someAccount()), {
      body: { name: 'Somebody Else' },
      headers: { 'if-match': '*' },
    })
    const [told, ...others] = await eventsOf(renamed)
    expect(others).to.deep.equal([])
    expect(told).to.deep.include({ type: 'admin.changed', ...actor })
    expect(told?.detail).to.deep.include({
      by: { clientId: 'keyturn-admin', through: 'keyturn-admin' },
      route: 'PATCH /tenants/{tenant}/accounts/{account_id}',
      members: ['name'],
      request_id: renamed.headers.get('request-id'),
    })

    // Consequences are attributed to the same actor; the audit list shows them as stored.
    const operator = await machineWith(server, 'operator')
    const theirs = { token: await tokenOf(server, operator), headers: { 'if-match': '*' } }
    const off = await send('POST', `${clients}/once/disable`, { ...theirs })
    const shown = await send(
      'GET',
      `/tenants/default/audit?request_id=${off.headers.get('request-id')}`,
    )
    const { items } = shown.json() as { items: Array<{ type: string; actor: object }> }
    expect(items.map(({ type, actor: who }) => [type, who])).to.deep.equal([
      ['client.disabled', { kind: 'client', id: operator.client_id, role: 'operator' }],
    ])

    const count = async () =>
      (await server.core.database.query('select 1 from audit_events')).length
    const before = await count()
    expectProblem(await send('POST', clients, { body: machine('once') }), 409, 'already_exists')
    expect(await count()).to.equal(before)
  })
})
