import { expect } from 'chai'
import { type Asking, ask, bootstrap, machineWith, tokenOf } from '../support/admin.ts'
import { booted } from '../support/boot.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { nextMail, writtenMail } from '../support/mailbox.ts'
import { selfDeclared } from '../support/registering.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

type Json = Record<string, unknown>

describe('registration and invitations in the admin API', () => {
  const server = booted('embedded')
  let token: string
  const base = '/tenants/default'

  before(async () => {
    token = await tokenOf(server, await bootstrap(server))
  })

  const send = (method: string, path: string, asking: Asking = {}) =>
    ask(server, method, `${base}${path}`, { token, ...asking })
  const json = (page: Page) => page.json() as Json
  const codeOf = (page: Page) => `${page.status} ${String(json(page)['code'])}`
  const etagOf = (page: Page) => ({ 'if-match': page.headers.get('etag') as string })

  const register = (bearer: string) =>
    exchange({
      method: 'POST',
      url: new URL(`${server.issuer}/register`),
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify(selfDeclared),
    })

  it('replace a policy only with its current version, and create tokens that register clients (RFC 7591 §3)', async () => {
    const before = await send('GET', '/registration-policy')
    expect(json(before)).to.include({ mode: 'off', unused_days: 30 })
    const body = { ...json(before), mode: 'token', unused_days: 7 }
    const headers = etagOf(before)
    const written = await send('PUT', '/registration-policy', { body, headers })
    expect(json(written)).to.deep.include(body)
    expect(codeOf(await send('PUT', '/registration-policy', { body, headers }))).to.equal(
      '412 precondition_failed',
    )
    const wrong = { body: { mode: 'anybody', ports: [1] }, headers: etagOf(written) }
    const refused = await send('PUT', '/registration-policy', wrong)
    expect(json(refused)['errors'], refused.body).to.have.length(2)

    const made = await send('POST', '/initial-access-tokens', { body: { name: 'CI', uses: 2 } })
    const { id, initial_access_token: secret } = json(made) as Record<string, string>
    remember(secret as string)
    expect(json(made)).to.include({ name: 'CI', uses_left: 2 })
    const registered = await register(secret as string)
    expect(registered.status, registered.body).to.equal(201)
    for (const member of ['client_secret', 'registration_access_token']) {
      remember(json(registered)[member] as string)
    }
    const shown = await send('GET', `/initial-access-tokens/${id}`)
    expect(json(shown)).to.include({ id, uses_left: 1 })
    const list = await send('GET', '/initial-access-tokens')
    expect(json(list)['items']).to.deep.equal([json(shown)])
    expect(shown.body + list.body).not.to.include(secret)

    const gone = { headers: etagOf(shown) }
    expect((await send('DELETE', `/initial-access-tokens/${id}`, gone)).status).to.equal(204)
    expect((await register(secret as string)).status).to.equal(401)
    expect((await send('GET', `/initial-access-tokens/${id}`)).status).to.equal(404)
  })

  it('send an invitation by mail and revoke it, but not a newer one (C8)', async () => {
    const email = 'invited@example.com'
    const invite = () => send('POST', '/invitations', { body: { email, name: 'Ines' } })
    expect(codeOf(await invite())).to.equal('409 sign_up_closed')
    await server.core.tenants.declareSignUp('default', { mode: 'invitation', domains: [] })
    const links = () => writtenMail(server).filter(({ to }) => to === email)
    const status = async (link?: string) => {
      const agent = createUserAgent({ origin: server.issuer })
      return (await agent.get(link ?? '')).status
    }

    const first = await invite()
    expect(first.status, first.body).to.equal(201)
    expect(json(first)).to.include({ email, name: 'Ines' })
    const { link } = await nextMail(
      'the invitation',
      () => links(),
      () => true,
    )
    expect(await status(link)).to.equal(200)
    expect(first.body, 'the link is only in the mail').not.to.include(new URL(link ?? '').search)

    const second = json(await invite())
    const stale = await send('DELETE', `/invitations/${String(json(first)['id'])}`, {
      headers: { 'if-match': '*' },
    })
    expect(stale.status).to.equal(404)
    const mail = await nextMail('another', links, (each) => each.link !== link)
    expect([await status(link), await status(mail.link)]).to.deep.equal([400, 200])

    const item = `/invitations/${String(second['id'])}`
    const read = await send('GET', item)
    expect(json(read)).to.deep.equal(second)
    expect(codeOf(await send('DELETE', item))).to.equal('428 precondition_required')
    expect((await send('DELETE', item, { headers: etagOf(read) })).status).to.equal(204)
    expect(await status(mail.link)).to.equal(400)
    expect(json(await send('GET', '/invitations'))['items']).to.deep.equal([])
  })

  it('leave events with the actor, in lists with pages (C28)', async () => {
    const operator = await machineWith(server, 'operator')
    const theirs = { token: await tokenOf(server, operator) }
    const ids: string[] = []
    for (const name of ['a', 'b', 'c']) {
      const page = await send('POST', '/initial-access-tokens', { ...theirs, body: { name } })
      remember(json(page)['initial_access_token'] as string)
      ids.push(json(page)['id'] as string)
      const shown = await send('GET', `/audit?request_id=${page.headers.get('request-id')}`)
      const [event, ...others] = json(shown)['items'] as Json[]
      expect(others).to.deep.equal([])
      expect(event).to.deep.include({
        type: 'registration.token_created',
        actor: { kind: 'client', id: operator.client_id, role: 'operator' },
        detail: { initial_access: json(page)['id'], name, uses: 1 },
      })
    }
    const first = json(await send('GET', '/initial-access-tokens?limit=2'))
    const next = encodeURIComponent(String(first['next_cursor']))
    const second = json(await send('GET', `/initial-access-tokens?limit=2&cursor=${next}`))
    const found = [...(first['items'] as Json[]), ...(second['items'] as Json[])]
    expect(found.map(({ id }) => id)).to.deep.equal(ids)
    expect(second).not.to.have.property('next_cursor')
    expect(codeOf(await send('GET', `/invitations?cursor=${next}`))).to.equal('400 request_invalid')
  })
})
