import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { invitationsCreate, invitationsList, invitationsRevoke } from '../../src/cli/invitations.ts'
import { isDomainError } from '../../src/errors.ts'
import { sweepExpired } from '../../src/retention.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { booted } from '../support/boot.ts'
import { alice, furnish } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { nextMail, writtenMail } from '../support/mailbox.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const password = 'a raven and a writing desk 7'

describe('invitations on the command line (C8)', () => {
  after(backToPresent)
  const server = booted('embedded', {}, furnish)
  before(async () => {
    remember(password)
    await server.core.tenants.declareSignUp(tenant, { mode: 'invitation', domains: [] })
  })
  let email = ''
  beforeEach(() => {
    email = `${randomUUID()}@example.com`
  })

  const newAgent = () => createUserAgent({ origin: server.issuer })
  const invite = (more: { name?: string; language?: 'en' | 'de' } = {}, address = email) =>
    invitationsCreate.execute(server.core, { tenant, email: address, ...more })
  const listed = async () => (await invitationsList.execute(server.core, { tenant })).invitations
  async function linkBeside(...others: string[]): Promise<string> {
    const isNew = ({ to, link }: { to: string; link: string | undefined }) =>
      to === email && link !== undefined && !others.includes(link)
    const mail = await nextMail('the invitation', () => writtenMail(server), isNew)
    return mail.link ?? ''
  }
  async function accept(url: string): Promise<Page> {
    const agent = newAgent()
    const form = await agent.get(url)
    return agent.submit(form, { fields: { new_password: password, confirm_password: password } })
  }
  const status = async (url: string) => (await newAgent().get(url)).status
  async function faultOf(work: Promise<unknown>): Promise<[string, string]> {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (!isDomainError(error)) throw new Error(`expected a refusal, got ${String(error)}`)
    return [error.code, error.message]
  }

  it('mail a link, in a language, that creates an account with that address and name', async () => {
    const created = await invite({ name: 'Dinah', language: 'de' })
    expect(created.invitation).to.include({ email, name: 'Dinah', expired: false })
    expect(invitationsCreate.render(created)).to.include(`Invited ${email}`)
    const mail = await nextMail(
      'the invitation',
      () => writtenMail(server),
      ({ to }) => to === email,
    )
    expect(mail.subject).to.equal('Einladung zu Keyturn')
    expect((await listed()).map((one) => one.email)).to.include(email)
    const form = await newAgent().get(mail.link ?? '')
    expect(form.root.querySelector('#name')?.getAttribute('value')).to.equal('Dinah')
    const done = await accept(mail.link ?? '')
    expect(done.location?.pathname).to.equal('/sign-up/done')
    const account = await server.core.accounts.byIdentifier(tenant, email)
    expect(account).to.include({ email, name: 'Dinah', emailVerified: true })
    expect((await listed()).map((one) => one.email)).not.to.include(email)
    const [, message] = await faultOf(invite())
    expect(message).to.include('has an account')
    const events = await server.core.database.query<{ type: string }>(
      `select type from audit_events where detail->>'email' = $1 or account_id = $2`,
      [email, account?.id],
    )
    expect(events.map(({ type }) => type)).to.have.members([
      'invitation.created',
      'account.signed_up',
    ])
  })

  it('invalidate earlier links when repeated, all links when revoked, and expire', async () => {
    await invite()
    const first = await linkBeside()
    await invite({}, email.toUpperCase().replace('EXAMPLE.COM', 'example.com'))
    expect(await status(first)).to.equal(400)
    await invite()
    const third = await linkBeside(first)
    expect(await status(third)).to.equal(200)
    const revoke = () => invitationsRevoke.execute(server.core, { tenant, email })
    const revoked = await revoke()
    expect(revoked.changed).to.equal(true)
    expect(invitationsRevoke.render(revoked)).to.include('is no longer valid')
    expect(await status(third)).to.equal(400)
    expect((await revoke()).changed).to.equal(false)
    await invite()
    const last = await linkBeside(first, third)
    travel(604_801)
    expect(await status(last)).to.equal(400)
    expect((await listed()).find((one) => one.email === email)?.expired).to.equal(true)
    expect(invitationsList.render({ invitations: await listed() })).to.include('expired')
    await sweepExpired(server.core)
    expect(await listed()).to.deep.equal([])
    expect(invitationsList.render({ invitations: [] })).to.equal('There are no open invitations.')
    backToPresent()
  })

  it('are refused with advice: sign-up closed, existing account, unknown tenant, invalid address', async () => {
    expect(await faultOf(invite({}, alice.email.toUpperCase()))).to.deep.equal([
      'account_exists',
      `${alice.email.toUpperCase()} already has an account in tenant default.`,
    ])
    expect((await faultOf(invite({}, 'nobody')))[0]).to.equal('email_invalid')
    const elsewhere = invitationsCreate.execute(server.core, { tenant: 'nowhere', email })
    expect((await faultOf(elsewhere))[0]).to.equal('not_found')
    await invite()
    const url = await linkBeside()
    await server.core.tenants.declareSignUp(tenant, { mode: 'closed', domains: [] })
    const [code, message] = await faultOf(invite())
    expect(code).to.equal('sign_up_closed')
    expect(message).to.include('apply a file with "sign_up: { mode: invitation }"')
    expect(await status(url), 'while the tenant is closed').to.equal(400)
    await server.core.tenants.declareSignUp(tenant, { mode: 'open', domains: ['other.example'] })
    expect(await status(url), 'domains do not restrict invitations').to.equal(200)
    await server.core.tenants.declareSignUp(tenant, { mode: 'invitation', domains: [] })
    expect((await accept(url)).status).to.equal(303)
  })
})
