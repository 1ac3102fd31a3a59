import { expect } from 'chai'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { authorizeUrl } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { codeOf, factorOwner, type Owner } from '../support/second-factor.ts'
import { type NodePair, startNodeBeside } from '../support/two-nodes.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const atOnce = 20

const suite = servicesFound() ? describe : describe.skip
suite('second factors on two nodes (C20, C26, ASVS 6.5.1)', function () {
  this.timeout(180_000)
  let nodes: NodePair
  before(async () => {
    nodes = await startNodeBeside({ HASH_QUEUE: '1000' })
    await furnish(nodes)
  })
  after(() => nodes?.stop())

  /** Browsers that have all entered the password, half of them on each node. */
  async function atFactor(owner: Owner) {
    const one = async (i: number): Promise<{ agent: UserAgent; page: Page }> => {
      const node = i % 2 ? nodes.a : nodes.b
      const agent = createUserAgent()
      const start = nodes.on(node, authorizeUrl({ issuer: nodes.issuer } as never, web))
      const login = await agent.get(nodes.on(node, (await agent.get(start)).location as URL))
      const { username, password } = owner
      const proven = await agent.submit(login, { fields: { username, password } })
      return { agent, page: await agent.get(nodes.on(node, proven.location as URL)) }
    }
    const visits: Awaited<ReturnType<typeof one>>[] = []
    // One after the other: this many passwords at once overload a busy machine.
    for (let i = 0; i < atOnce; i++) visits.push(await one(i))
    return visits
  }

  /**
   * Submits the same from all browsers in parallel; returns the number of answers by status.
   *
   * @param fill runs just before, as a code expires soon
   */
  async function race(owner: Owner, form: string, fill: () => Record<string, string>) {
    const visits = await atFactor(owner)
    const fields = fill()
    const answers = await Promise.all(
      visits.map(({ agent, page }) => agent.submit(page, { form, fields })),
    )
    const tally: Record<number, number> = {}
    for (const { status } of answers) tally[status] = (tally[status] ?? 0) + 1
    return tally
  }

  it("accept an app's code once when twenty browsers submit it in parallel", async () => {
    const owner = await factorOwner(nodes.core)
    const tally = await race(owner, '#factor-form', () => ({ otp: codeOf(owner.secret) }))
    expect(tally).to.deep.equal({ 303: 1, 403: atOnce - 1 })
  })

  it('accept a recovery code once when twenty browsers submit it in parallel', async () => {
    const owner = await factorOwner(nodes.core)
    const fill = () => ({ recovery_code: owner.recoveryCodes[0] ?? '' })
    const tally = await race(owner, '#recovery-form', fill)
    expect(tally).to.deep.equal({ 303: 1, 403: atOnce - 1 })
    expect(await nodes.core.factors.codesLeft(tenant, owner.id)).to.equal(9)
  })

  it('accept an e-mailed code once when submitted in parallel, and send one code for twenty parallel requests (ASVS 6.5.1)', async () => {
    const { accounts, emailCodes, mailedCodes } = nodes.core
    const { account } = await accounts.create(tenant, {
      ...{ email: 'tabs@example.com', password: 'twenty tabs of one browser', emailVerified: true },
    })
    const binding = 'one sign-in'
    await mailedCodes.turnOn(account, { by: 'owner' })
    const id = await emailCodes.issue(tenant, account, binding)
    const { code = '' } = (await emailCodes.forDelivery(tenant, id ?? '')) ?? {}
    remember(code)
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => emailCodes.use(tenant, account.id, binding, code)),
    )
    expect(answers.filter(Boolean)).to.have.length(1)
    const sent = await Promise.all(
      Array.from({ length: atOnce }, () => emailCodes.issue(tenant, account, 'another')),
    )
    expect(
      sent.filter((each) => each !== undefined),
      'codes sent',
    ).to.have.length(1)
  })

  it('never leave a short password without a factor when the last factor is removed in parallel (NIST SP 800-63B-4 §3.1.1.2)', async () => {
    const { accounts, factors, database } = nodes.core
    const short = 'kQ7vw3Zp'
    remember(short)
    const outcomes = await Promise.all(
      Array.from({ length: atOnce }, async (_, i) => {
        const owner = await factorOwner(nodes.core)
        const account = await accounts.byIdentifier(tenant, owner.username)
        const [factor] = await factors.list(tenant, owner.id)
        if (!account || !factor) throw new Error('nobody')
        const chosen = await accounts.hashChosen(account, short)
        const remove = () => factors.remove(tenant, owner.id, factor.id, { by: 'owner' })
        const set = () =>
          accounts.setChosen(account, chosen).then(
            () => 'set',
            () => 'refused',
          )
        const work = i % 2 === 0 ? [remove, set] : [set, remove]
        const answers = await Promise.all(work.map((one) => one()))
        return answers.map(String).toSorted().join(' ')
      }),
    )
    expect([...new Set(outcomes)]).to.have.members(['refused true', 'set short_password'])
    const bad = await database.query(
      `select 1 from passwords p where p.short and not exists (select 1 from second_factors f
         where f.tenant_id = p.tenant_id and f.account_id = p.account_id)`,
    )
    expect(bad).to.deep.equal([])
  })
})
