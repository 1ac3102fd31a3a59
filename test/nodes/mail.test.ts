import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { endLeases } from '../support/leases.ts'
import { allSent, type Mailbox, nextMail, openMailbox } from '../support/mailbox.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { type AnyNode, type NodePair, startNodeBeside } from '../support/two-nodes.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const fresh = 'a raven and a writing desk 7'

const suite = servicesFound() ? describe : describe.skip
suite('mail on two nodes (C8, R-25)', function () {
  this.timeout(90_000)
  let nodes: NodePair
  let mailbox: Mailbox

  before(async () => {
    remember(fresh)
    mailbox = await openMailbox()
    nodes = await startNodeBeside({ SMTP_URL: mailbox.url })
    await furnish(nodes)
  })
  after(async () => {
    await nodes?.stop()
    await mailbox?.stop()
  })

  async function ask(node: Pick<AnyNode, 'url'>): Promise<void> {
    const agent = createUserAgent()
    const form = await agent.get(nodes.on(node, '/password/forgot'))
    expect((await agent.submit(form, { fields: { username: alice.email } })).status).to.equal(303)
  }
  const fits = (password: string) =>
    nodes.core.accounts
      .authenticate(defaultTenant, alice.email, password, { ip: '192.0.2.1' })
      .then(
        () => true,
        () => false,
      )

  it("is given up after a 5xx, with an audit event that omits the server's text", async () => {
    const earlier = mailbox.attempts.length
    mailbox.refuseWith(554)
    await ask(nodes.b)
    const [failed] = await eventually('the event is recorded', async () => {
      const rows = await nodes.core.database.query<{ detail: { reason: string } }>(
        `select detail from audit_events where type = 'mail.failed'`,
      )
      return rows.length > 0 && rows
    })
    // The mail server quotes the link in its answer.
    expect(failed?.detail.reason).to.equal('answered 554 5.7.1')
    expect(mailbox.attempts).to.have.length(earlier + 1)
  })

  it('sets one password when its link is used 20 times in parallel on both nodes', async () => {
    const earlier = mailbox.mails.length
    await ask(nodes.a)
    const { link = '' } = await nextMail('the mail', () => mailbox.mails.slice(earlier))
    const agent = createUserAgent()
    const forms = await Promise.all(
      [nodes.a, nodes.b].map((node) => agent.get(nodes.on(node, link.replace(nodes.issuer, '')))),
    )
    const passwords = Array.from({ length: 20 }, (_, number) => `${fresh} ${number}`)
    const pages = await Promise.all(
      passwords.map((password, number) => {
        const form = forms[number % 2]
        if (!form) throw new Error('no form')
        const fields = { new_password: password, confirm_password: password }
        return agent.submit(form, { fields })
      }),
    )
    const taken = pages.flatMap(({ status }, number) => (status === 303 ? [number] : []))
    expect(taken).to.have.length(1)
    expect(await fits(passwords[taken[0] ?? 0] ?? '')).to.equal(true)
    expect(await fits(alice.password)).to.equal(false)
    // Keeps the notice to the account owner out of the next test.
    await allSent(nodes.core)
  })

  it('is sent again after a 4xx and after a node was killed, with the same id and link', async () => {
    const [attempts, links, mails] = [mailbox.attempts, mailbox.links, mailbox.mails]
    for (const earlier of [attempts, links, mails]) earlier.length = 0
    mailbox.refuseWith(451, 0)
    await nodes.core.outbox.stop()
    await ask(nodes.a)
    await eventually('two attempts are made', () => attempts.length === 2)
    await nodes.a.stop('SIGKILL')
    nodes.core.outbox.start()
    await endLeases(nodes.core, 'mail')
    const [mail] = await eventually('the mail arrives', () => mails.length > 0 && mails)
    expect(new Set(attempts).size).to.equal(1)
    expect(attempts).to.have.length(3)
    expect(new Set(links)).to.deep.equal(new Set([mail?.link]))
  })
})
