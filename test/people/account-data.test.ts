import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import { accountsReset } from '../../src/cli/accounts-change.ts'
import type { Core } from '../../src/core.ts'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { waitingForRows } from '../outages/load.ts'
import { ask, machineWith, tokenOf } from '../support/admin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, web } from '../support/fixtures.ts'
import { bootedWithMail, nextMail } from '../support/mailbox.ts'
import { codeFor, introspect, redeem, refresh, tokensFor } from '../support/protocol.ts'
import { codeOf } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { accountOf, open, type Person, signedIn, somebody } from './account.story.ts'
import { arrive, expectFault, expectFormAgain, headingOf } from './story.ts'

const path = '/account/data'
const offline = { scope: 'openid profile offline_access' }

describe("people: downloading and deleting the account's data", () => {
  const { server, mailbox } = bootedWithMail({}, furnish)
  before(async () => {
    await server.core.clients.declare('default', {
      ...web,
      backchannel_logout_uri: 'http://localhost:9/logout',
    })
  })
  afterEach(() => backToPresent())

  async function remove(person: Person, agent: UserAgent, address = person.email) {
    const page = await open(server, path, person, agent)
    return agent.submit(page, { form: '#delete-form', fields: { address } })
  }

  it('downloads everything that is stored, and no secret', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const tokens = await tokensFor(server, web, offline, agent)
    const page = await open(server, path, person, agent)
    const answer = await agent.submit(page, { form: '#download-form' })
    expect(answer.headers.get('content-disposition')).to.equal(
      'attachment; filename="account.json"',
    )
    expect(answer.headers.get('content-type')).to.match(/^application\/json/)
    expect(answer.headers.get('cache-control')).to.equal('no-store')
    const data = answer.json() as Record<string, Array<Record<string, unknown>>>
    expect(data).to.have.all.keys(
      'profile',
      'second_factors',
      'sessions',
      'places',
      'applications',
      'devices',
      'history',
    )
    expect(data['profile']).to.include({ email: person.email, name: 'Some Body' })
    expect(data['sessions']).to.have.length(1)
    expect(data['devices']?.[0]).to.include({ client_id: web.client_id })
    expect(data['applications']?.[0]?.['scopes']).to.include('offline_access')
    expect(data['history']?.map(({ type }) => type)).to.deep.equal(['account.signed_in'])
    const { uid = '' } =
      (await server.core.sessions.list('default', (await accountOf(server, person)).id))[0] ?? {}
    const cookies = (await agent.cookies(server.issuer)).map(({ value }) => value)
    for (const secret of [tokens.refresh_token, tokens.access_token, '$argon2', uid, ...cookies]) {
      expect(answer.body).not.to.include(secret)
    }
  })

  const mailTo = ({ email }: Person, subject: RegExp) =>
    nextMail(
      `${subject.source} to ${email}`,
      () => mailbox.mails,
      (mail) => mail.to === email && subject.test(mail.subject),
    )

  it('notifies the owner by mail of a deletion, in the language of the page, and of a download if the address is confirmed', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const download = async () =>
      agent.submit(await open(server, path, person, agent), { form: '#download-form' })
    await download()
    const { id } = await accountOf(server, person)
    await server.core.accounts.verifyEmail('default', id, person.email)
    await download()
    const about = /^Your data at Keyturn was downloaded$/
    const { text } = await mailTo(person, about)
    const alike = mailbox.mails.filter(
      ({ to, subject }) => to === person.email && about.test(subject),
    )
    expect(alike, 'none before the address was confirmed').to.have.length(1)
    expect(text).to.match(/Device: Firefox on Linux\..*From: (::ffff:)?127\.0\.0\.1/s)
    const german = await open(server, `${path}?ui_locales=de`, person, agent)
    await agent.submit(german, { form: '#delete-form', fields: { address: person.email } })
    const gone = await mailTo(person, /^Ihr Konto bei Keyturn wurde gelöscht$/)
    expect(gone.text).to.include('127.0.0.1')
  })

  it("notifies the owner of a deletion by an operator, without the operator's address", async () => {
    const person = await somebody(server)
    const by = { by: 'operator', ip: '192.0.2.77' } as const
    await server.core.revocations.deleteAccount(await accountOf(server, person), by)
    const { text } = await mailTo(person, /^Your account at Keyturn was deleted$/)
    expect(text).to.include('When: ').and.not.include(by.ip)
  })

  it('requires a recent sign-in for both, and refuses forms that were open for longer (ASVS 7.5.1)', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const page = await open(server, path, person, agent)
    travel(301)
    expect((await agent.get(`${server.issuer}${path}`)).location?.pathname).to.equal('/authorize')
    const forms = [
      { form: '#download-form' },
      { form: '#delete-form', fields: { address: person.email } },
    ]
    for (const form of forms) {
      expect((await agent.submit(page, form)).location?.pathname).to.equal('/authorize')
    }
    expect((await accountOf(server, person)).disabled).to.equal(false)
    expect((await open(server, path, person, agent)).url.pathname).to.equal(path)
  })

  async function addFactor(accountId: string): Promise<void> {
    const secret = newTotpSecret()
    const app = { secret, name: 'Telephone', code: codeOf(secret, -1), onlyFirst: true }
    expect(await server.core.factors.add('default', accountId, app, { by: 'owner' })).to.be.an(
      'object',
    )
  }

  it('requires the second factor from a session older than the factor (C7, ASVS 7.5.1)', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const page = await open(server, path, person, agent)
    await addFactor((await accountOf(server, person)).id)
    for (const answer of [
      await agent.get(`${server.issuer}${path}`),
      await agent.get(`${server.issuer}/account/password`),
      await agent.submit(page, { form: '#delete-form', fields: { address: person.email } }),
    ]) {
      expect(answer.location?.pathname).to.equal('/authorize')
      expect(answer.location?.searchParams.get('prompt')).to.equal('login')
    }
    expect((await accountOf(server, person)).disabled).to.equal(false)
    expect(
      (await agent.get(`${server.issuer}/account/sessions`)).status,
      'changes that can be undone',
    ).to.equal(200)
  })

  /** Counts of the rows that prove ownership of an account. */
  async function proofsOf(accountId: string) {
    const tables = ['second_factors', 'recovery_codes', 'passwords', 'action_tokens', 'email_codes']
    const counts = tables.map((name) => `(select count(*) from ${name} where account_id = $1)::int`)
    const sql = `select array[${counts.join(', ')}] as counts`
    const [row] = await server.core.database.query<{ counts: number[] }>(sql, [accountId])
    return row?.counts
  }

  it('deletes second factors, recovery codes, links and codes sent by mail, and the password', async () => {
    const account = await accountOf(server, await somebody(server))
    await addFactor(account.id)
    const { revocations, actionTokens, emailCodes } = server.core
    await actionTokens.issue('default', 'reset', account)
    await emailCodes.issue('default', account, 'a session')
    expect(await proofsOf(account.id)).to.deep.equal([1, 10, 1, 1, 1])
    expect(await revocations.deleteAccount(account, { by: 'owner' })).to.equal(true)
    expect(await proofsOf(account.id)).to.deep.equal([0, 0, 0, 0, 0])
  })

  const onServers = anyStorage === 'services' ? describe : describe.skip
  onServers('while a transaction of another node deletes the account', () => {
    let other: Core
    before(async () => {
      other = await openNode(server.env)
    })
    after(() => other?.close())

    /** Starts `work` before that transaction ends, which it does once `work` is finished or waits. */
    async function meanwhile<T>(account: Account, work: () => Promise<T>): Promise<T> {
      const [begun] = await other.database.transaction(async () => {
        expect(await other.revocations.deleteAccount(account, { by: 'owner' })).to.equal(true)
        let isOver = false
        const outcome = work().finally(() => {
          isOver = true
        })
        outcome.catch(() => undefined)
        await eventually(
          'the work is done, or waits for a row',
          async () => isOver || (await waitingForRows()) > 0,
        )
        return [outcome] as const
      })
      return begun
    }

    it('another deletion of some of the same accounts waits without blocking later ones (C26)', async () => {
      const people = [
        await accountOf(server, await somebody(server)),
        await accountOf(server, await somebody(server)),
      ]
      const [first = '', second = ''] = people.map(({ id }) => id).toSorted()
      const { database, revocations } = server.core
      // The update moves the first account to the end of the table, so that a sequential scan returns it last.
      await database.execute('update accounts set name = name where id = $1', [first])
      const [deletion, free] = await other.database.transaction(async () => {
        await other.accounts.lock('default', first)
        const deleted = database.transaction(async () => {
          for (const scan of ['indexscan', 'bitmapscan'])
            await database.query(`set local enable_${scan} = off`)
          return revocations.deleteAccounts('default', [second, first])
        })
        deleted.catch(() => undefined)
        await eventually('the deletion waits for a row', async () => (await waitingForRows()) > 0)
        const sql = 'select 1 from accounts where id = $1 for no key update skip locked'
        return [[deleted], await other.database.query(sql, [second])] as const
      })
      expect(free).to.have.length(1)
      expect((await deletion[0]).size).to.equal(2)
    })

    it('a consent grants nothing', async () => {
      const person = await somebody(server)
      const account = await accountOf(server, person)
      const agent = await signedIn(server, person)
      const { page } = await arrive(server, web, {}, agent)
      expect(headingOf(page)).to.match(/^Allow/)
      const answer = await meanwhile(account, () => agent.submit(page))
      expectFault(answer, 400, /has expired/)
      const allowed = await server.core.grants.list('default', { accountId: account.id })
      expect(allowed).to.deep.equal([])
    })

    it('an operator gets no password for it', async () => {
      const token = await tokenOf(server, await machineWith(server, 'operator'))
      const account = await accountOf(server, await somebody(server))
      const address = `/tenants/default/accounts/${account.id}/one-time-password`
      const answer = await meanwhile(account, () => ask(server, 'POST', address, { token }))
      expect(answer.json(), answer.body).to.include({ status: 404, code: 'account_not_found' })
      expect(await proofsOf(account.id)).to.deep.equal([0, 0, 0, 0, 0])
      const named = await accountOf(server, await somebody(server))
      const asked = { tenant: 'default', identifier: named.email }
      const command = () => accountsReset.execute(server.core, asked)
      await refusalOf(meanwhile(named, command), 'account_not_found')
      expect(await proofsOf(named.id)).to.deep.equal([0, 0, 0, 0, 0])
    })

    it('no second factor is added', async () => {
      const account = await accountOf(server, await somebody(server))
      const secret = newTotpSecret()
      const app = { secret, name: 'Telephone', code: codeOf(secret, -1), onlyFirst: true }
      const { factors } = server.core
      const add = () => factors.add('default', account.id, app, { by: 'owner' })
      expect(await meanwhile(account, add)).to.equal('ended')
      expect(await proofsOf(account.id)).to.deep.equal([0, 0, 0, 0, 0])
    })

    it('no link and no code is created', async () => {
      const { emailAddresses, emailCodes } = server.core
      const by = { by: 'owner', language: 'en' } as const
      const link = await accountOf(server, await somebody(server))
      const asked = meanwhile(link, () => emailAddresses.askVerification(link, by))
      await refusalOf(asked, 'account_not_found')
      expect(await proofsOf(link.id)).to.deep.equal([0, 0, 0, 0, 0])
      const code = await accountOf(server, await somebody(server))
      const made = await meanwhile(code, () => emailCodes.issue('default', code, 'a session'))
      expect(made).to.equal(undefined)
      expect(await proofsOf(code.id)).to.deep.equal([0, 0, 0, 0, 0])
    })
  })

  it('deletes everything but the id; a new account with this address is a different one (C31)', async () => {
    const person = await somebody(server)
    const [here, there] = [await signedIn(server, person), await signedIn(server, person, 'safari')]
    const tokens = await tokensFor(server, web, offline, there)
    const code = await codeFor(server, web, offline, there)
    const { id } = await accountOf(server, person)
    expectFormAgain(
      await remove(person, here, 'other@example.com'),
      400,
      'download-form',
      /not the address/,
    )
    expect((await refresh(server, web, tokens)).status, 'nothing was deleted').to.equal(200)

    const gone = await remove(person, here, ` ${person.email.toUpperCase()} `)
    expect(headingOf(gone)).to.equal('Your account has been deleted')
    for (const agent of [here, there]) {
      expect((await agent.get(`${server.issuer}/account`)).status).to.equal(303)
    }
    expect((await redeem(server, web, code)).status).to.equal(400)
    expect(await introspect(server, web, tokens.access_token)).to.include({ active: false })
    expect(await server.core.grants.list('default', { accountId: id })).to.deep.equal([])
    const notified = await server.core.logouts.list('default', { accountId: id })
    expect(notified.map(({ clientId }) => clientId)).to.include(web.client_id)
    const login = await open(server, '/account', person, createUserAgent())
    expect(login.status, 'the old password').to.equal(403)
    const [kept] = await server.core.database.query(
      'select row_to_json(a)::text as row from accounts a where id = $1',
      [id],
    )
    expect(String(kept?.['row']))
      .to.include(id)
      .and.not.include(person.email)
      .and.not.include('Body')

    await server.core.accounts.create('default', person)
    expect((await accountOf(server, person)).id).not.to.equal(id)
    const agent = createUserAgent()
    await open(server, '/account', person, agent)
    const history = await open(server, '/account/history', person, agent)
    expect(history.root.querySelectorAll('#history > li'), 'nothing is inherited').to.have.length(1)
    const applications = await open(server, '/account/applications', person, agent)
    expect(applications.root.querySelector('#applications')).to.equal(null)
  })

  it('keeps the last operator, even when two delete themselves at the same moment (C15)', async () => {
    const operators = await Promise.all([somebody(server), somebody(server)])
    const { core } = server
    for (const { email } of operators) {
      await core.accounts.declare('default', { email, roles: ['operator'] })
    }
    const first = await core.accounts.byIdentifier('default', 'operator@example.com')
    if (first) await core.accounts.setDisabled(first, true)
    const agents = await Promise.all(operators.map((person) => signedIn(server, person)))
    const answers = await Promise.all(
      operators.map((person, index) => remove(person, agents[index] ?? createUserAgent())),
    )
    expect(answers.map(({ status }) => status)).to.have.members([200, 400])
    const refused = answers.find(({ status }) => status === 400)
    if (refused) expectFormAgain(refused, 400, 'download-form', /last operator/)
    expect(await core.accounts.lists.operators('default')).to.have.length(1)
  })

  it('refuses to disable the last operator (C15)', async () => {
    const { core } = server
    const operators = () => core.accounts.lists.operators('default')
    const { email } = await somebody(server)
    await core.accounts.declare('default', { email, roles: ['operator'] })
    const two = await operators()
    expect(two).to.have.length(2)
    const disable = (account: Account) =>
      core.revocations.setAccountDisabled(account, true).catch((error: Error) => error)
    const outcomes = await Promise.all(two.map(disable))
    expect(outcomes.filter((outcome) => outcome === true)).to.have.length(1)
    expect(outcomes.find((outcome) => outcome !== true))
      .to.be.an('error')
      .with.property('code', 'last_operator')
    const [left] = await operators()
    expect(await disable(left as Account)).to.be.an('error')
    expect(await operators()).to.have.length(1)
    expect(await disable(await accountOf(server, await somebody(server))), 'no operator').to.equal(
      true,
    )
  })

  it('every form requires its own session and our own origin (C22, C23)', async () => {
    const [one, two] = [await somebody(server), await somebody(server)]
    const [hers, his] = [await signedIn(server, one), await signedIn(server, two)]
    const page = await open(server, '/account', one, hers)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const { id } = await accountOf(server, two)
    const { sessions, audit } = server.core
    const before = JSON.stringify(await sessions.list('default', id))
    for (const form of [
      'profile',
      'password',
      'data/download',
      'data/delete',
      'sign-out-elsewhere',
      'sign-out',
      'sign-out-everywhere',
    ]) {
      const url = `${server.issuer}/account/${form}`
      const fields = { csrf, address: two.email, name: 'Mallory' }
      expectFault(await his.post(url, fields), 403, /could not confirm/)
      const cross = { 'sec-fetch-site': 'cross-site', origin: 'https://attacker.example' }
      expectFault(await hers.post(url, fields, { headers: cross }), 403, /could not confirm/)
    }
    expect(JSON.stringify(await sessions.list('default', id))).to.equal(before)
    const types = ['account.profile_changed', 'account.deleted', 'account.data_downloaded'] as const
    for (const person of [one, two]) {
      const { id: accountId, name } = await accountOf(server, person)
      expect(name).to.equal('Some Body')
      expect(await audit.ofAccount('default', accountId, { types, limit: 1 })).to.deep.equal([])
    }
  })
})
