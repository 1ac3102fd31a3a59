import { expect } from 'chai'
import { accountsRemoveFactors } from '../../src/cli/accounts-change.ts'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { bootedWithMail, nextMail } from '../support/mailbox.ts'
import { codeOf, factorOwner, somebody } from '../support/second-factor.ts'
import { remember } from '../support/witness.ts'

const by = { by: 'owner', ip: '192.0.2.7' } as const

describe('people: the owner of second factors is notified (ASVS 6.3.7)', () => {
  const { server, mailbox } = bootedWithMail()

  const mailTo = (to: string, subject: RegExp) =>
    nextMail(
      `${subject} to ${to}`,
      () => mailbox.mails,
      (mail) => mail.to === to && subject.test(mail.subject),
    )
  /** Kinds of the letters in the outbox, where they stay for a while after delivery. */
  const written = async (accountId: string) => {
    const rows = await server.core.database.query<{ kind: string }>(
      `select payload ->> 'kind' as kind from outbox where payload ->> 'account_id' = $1`,
      [accountId],
    )
    return rows.map(({ kind }) => kind)
  }
  const add = (accountId: string, language?: 'de') => {
    const secret = newTotpSecret()
    remember(secret)
    const app = { secret, name: 'Tablet', code: codeOf(secret), onlyFirst: false }
    return server.core.factors.add(tenant, accountId, app, { ...by, language })
  }

  it('of a new factor and its recovery codes in one letter, which does not contain the codes', async () => {
    const owner = await factorOwner(server.core)
    const mail = await mailTo(owner.username, /^A second step was added/)
    expect(mail.text)
      .to.match(/recovery codes/)
      .and.include(`${server.issuer}/account/factors`)
    for (const code of owner.recoveryCodes) expect(mail.raw).not.to.include(code)
    expect(await written(owner.id)).to.deep.equal(['factor_added'])
  })

  it('of a factor added or removed, of new codes and of a used code, with the address of the request', async () => {
    const owner = await factorOwner(server.core)
    const { accounts, factors } = server.core
    await accounts.verifyEmail(tenant, owner.id, owner.username)
    await add(owner.id, 'de')
    const added = await mailTo(owner.username, /^Zweiter Schritt .* hinzugefügt$/)
    expect(added.text).to.include('Von: 192.0.2.7')
    const [code = ''] = owner.recoveryCodes
    expect(await factors.check(tenant, owner.id, code, { ip: '192.0.2.8' })).to.equal('recovery')
    expect((await mailTo(owner.username, /^A recovery code was used/)).text).to.include('192.0.2.8')
    remember(...(await factors.makeCodes(tenant, owner.id, by)))
    await mailTo(owner.username, /^New recovery codes/)
    const [first] = await factors.list(tenant, owner.id)
    await factors.rename(tenant, owner.id, first?.id ?? '', 'Another name', by)
    await factors.remove(tenant, owner.id, first?.id ?? '', by)
    await mailTo(owner.username, /^A second step was removed/)
    expect(await written(owner.id), 'no letter about the rename').to.have.members([
      ...['factor_added', 'factor_added', 'recovery_code_used'],
      ...['recovery_codes_made', 'factor_removed'],
    ])
  })

  it('without the IP address if the e-mail address is not confirmed, as it may be a stranger’s', async () => {
    const { id, username } = await somebody(server.core)
    const added = await add(id)
    if (typeof added !== 'string') remember(...(added.recoveryCodes ?? []))
    const { text } = await mailTo(username, /^A second step was added/)
    expect(text)
      .to.match(/^When: /m)
      .and.not.include(by.ip)
  })

  it('once when an operator removes all factors', async () => {
    const owner = await factorOwner(server.core)
    await add(owner.id)
    const { removed } = await accountsRemoveFactors.execute(server.core, {
      ...{ tenant, identifier: owner.username },
    })
    expect(removed).to.equal(2)
    await mailTo(owner.username, /^A second step was removed/)
    const letters = await written(owner.id)
    expect(letters.filter((kind) => kind === 'factor_removed')).to.have.length(1)
  })

  it('not of a change whose transaction fails', async () => {
    const { id } = await somebody(server.core)
    const { database, factors } = server.core
    const failed = database.transaction(async () => {
      const secret = newTotpSecret()
      const app = { secret, name: '', code: codeOf(secret), onlyFirst: true }
      const added = await factors.add(tenant, id, app, by)
      if (typeof added !== 'string') remember(secret, ...(added.recoveryCodes ?? []))
      expect(await written(id)).to.deep.equal(['factor_added'])
      throw new Error('the rest of the transaction failed')
    })
    expect(await failed.catch(({ message }: Error) => message)).to.equal(
      'the rest of the transaction failed',
    )
    expect(await written(id)).to.deep.equal([])
    expect(await factors.list(tenant, id)).to.deep.equal([])
  })
})
