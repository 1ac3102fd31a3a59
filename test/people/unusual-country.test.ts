import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { replaceFile, temporaryFolder } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { furnish } from '../support/fixtures.ts'
import { type Mailbox, nextMail, openMailbox } from '../support/mailbox.ts'
import { mmdb } from '../support/mmdb.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { accountOf, type Person, somebody } from './account.story.ts'
import { textOf } from './story.ts'
import { marksIn, signInAgain, traveller } from './unusual.story.ts'

const [munich, berlin, paris, nowhere] = [
  '198.51.100.7',
  '192.0.2.7',
  '203.0.113.7',
  '10.9.8.7',
] as const

describe('people: a sign-in in another country (ASVS 6.3.5)', () => {
  let server: TestServer
  let mailbox: Mailbox
  let path: string
  before(async () => {
    path = join(await temporaryFolder('countries'), 'countries.mmdb')
    await writeFile(
      path,
      mmdb({ '198.51.100.0/24': 'DE', '192.0.2.0/24': 'DE', '203.0.113.0/24': 'FR' }),
    )
    mailbox = await openMailbox()
    server = await boot(anyStorage, {
      TRUST_PROXY: '127.0.0.1/32',
      GEOIP_DATABASE: path,
      SMTP_URL: mailbox.url,
      RATE_LIMITS: 'on',
    })
    await furnish(server)
  })
  beforeEach(() => {
    mailbox.mails.length = 0
  })
  afterEach(() => backToPresent())
  after(async () => {
    await server?.stop()
    await mailbox?.stop()
  })

  /** An account with a confirmed address that signed in from a place, with a browser known since. */
  async function knownUser(at: string) {
    const person = await somebody(server)
    const { id } = await accountOf(server, person)
    await server.core.accounts.verifyEmail('default', id, person.email)
    const agent = traveller(at)
    await signInAgain(server, person, agent)
    await mailTo(person, /^New sign-in to Keyturn$/)
    mailbox.mails.length = 0
    travel(60)
    return { person, id, agent }
  }
  const mailTo = ({ email }: Person, subject: RegExp) =>
    nextMail(
      `${subject.source} to ${email}`,
      () => mailbox.mails,
      (mail) => mail.to === email && subject.test(mail.subject),
    )

  it('is not looked up in a broken file: the server does not start', async () => {
    const broken = `${path}.broken`
    await writeFile(broken, 'no database')
    const started = await boot(anyStorage, { GEOIP_DATABASE: broken }).catch((e: Error) => e)
    expect(started).to.be.an('error').with.property('code', 'config_invalid')
  })

  it('with a new device is notified in one mail: device, place, time, and what to do', async () => {
    const { person } = await knownUser(munich)
    const stranger = traveller(paris, 'safari')
    await signInAgain(server, person, stranger)
    const { text } = await mailTo(person, /New sign-in to Keyturn from France/)
    expect(text)
      .to.match(/had not been used from: France/)
      .and.include('Device: Safari on iOS')
    expect(text)
      .to.include(`From: ${paris} (probably France)`)
      .and.match(/When: .* UTC/)
    expect(text).to.include(`${server.issuer}/account/sessions`)
    expect(text).to.include(`${server.issuer}/password/forgot`)
    expect((await marksIn(server, stranger))[0]).to.deep.equal([
      'New device',
      'New network',
      'New country',
    ])
    const history = await stranger.get(`${server.issuer}/account/history`)
    expect(textOf(history)).to.match(/from 203\.0\.113\.7 · France · Safari/)
    const sent = await server.core.database.query<{ count: number }>(
      `select count(*)::int as count from outbox where payload->>'kind' in ('new_device', 'new_country')
         and payload->>'account_id' = $1`,
      [(await accountOf(server, person)).id],
    )
    expect(sent[0]?.count, 'one for each sign-in').to.equal(2)
  })

  it('is notified even after the hourly limit of mails about new devices; all sign-ins are in the history', async () => {
    const { person, id } = await knownUser(munich)
    const again = async (at: string) => signInAgain(server, person, traveller(at))
    const { database, limiter } = server.core
    const { took } = limiter
    let within = 0
    limiter.took = (...of) => {
      if (database.current()?.isOpen()) within++
      return took(...of)
    }
    for (let i = 0; i < 11; i++) await again(munich)
    await again(paris)
    const changed = { kind: 'password_changed', accountId: id, language: 'en' } as const
    const letters = Array.from({ length: 11 }, () => ({ ...changed, to: person.email }))
    await server.core.mail.send('default', ...letters)
    await mailTo(person, /New sign-in to Keyturn from France/)
    const counts = await eventually('all mails are sent or dropped', async () => {
      const rows = await server.core.database.query<{ kind: string; count: number; left: number }>(
        `select payload->>'kind' as kind, count(*)::int as count, count(*) filter (where delivered_at is null)::int as left
           from outbox where payload->>'account_id' = $1 group by 1 order by 1`,
        [id],
      )
      return (
        rows.every(({ left }) => left === 0) && rows.map(({ kind, count }) => ({ kind, count }))
      )
    })
    expect(counts).to.deep.equal([
      { kind: 'new_country', count: 1 },
      { kind: 'new_device', count: 10 },
      { kind: 'password_changed', count: 11 },
    ])
    const types = ['account.signed_in'] as const
    expect(await server.core.audit.ofAccount('default', id, { types, limit: 50 })).to.have.length(
      13,
    )
    limiter.took = took
    expect(within, 'limits counted during a transaction').to.equal(0)
    travel(360)
    await again(munich)
    await mailTo(person, /^New sign-in to Keyturn$/)
  })

  it('with a known device, or in another network of the same country, is only marked in the history', async () => {
    const { person, agent } = await knownUser(munich)
    for (const [at, marks] of [
      [berlin, ['New network']],
      [paris, ['New network', 'New country']],
      [munich, []],
    ] as const) {
      travel(60)
      agent.moveTo(at)
      await signInAgain(server, person, agent)
      expect((await marksIn(server, agent))[0]).to.deep.equal(marks)
    }
    travel(60)
    const other = traveller(paris, 'safari')
    await signInAgain(server, person, other)
    await mailTo(person, /^New sign-in to Keyturn$/)
    expect(mailbox.mails.filter(({ to }) => to === person.email)).to.have.length(1)
  })

  it('is notified in German, without text from the User-Agent header', async () => {
    const { person } = await knownUser(munich)
    const stranger = traveller(paris)
    const page = await stranger.get(`${server.issuer}/account?ui_locales=de`)
    const login = await stranger.follow(page)
    const headers = { 'user-agent': 'visit-evil.example/1.0' }
    const fields = { username: person.email, password: person.password }
    await stranger.follow(await stranger.submit(login, { fields }, { headers }))
    const { text, raw } = await mailTo(person, /Neue Anmeldung bei Keyturn: Frankreich/)
    expect(text).to.include(`${paris} (vermutlich Frankreich)`)
    expect(raw).to.not.include('evil')
  })

  it('has no country where the file has no entry; a replaced file is loaded', async () => {
    const { person, id, agent } = await knownUser(munich)
    agent.moveTo(nowhere)
    await signInAgain(server, person, agent)
    expect((await marksIn(server, agent))[0]).to.deep.equal(['New network'])
    await replaceFile(path, mmdb({ '10.9.8.0/24': 'JP' }))
    await server.core.countries.check()
    travel(60)
    await signInAgain(server, person, agent)
    expect((await marksIn(server, agent))[0]).to.deep.equal(['New country'])
    const known = await server.core.places.list('default', id)
    expect(known.map(({ place }) => place)).to.include.members(['DE', 'JP'])
  })
})
