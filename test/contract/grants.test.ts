import { expect } from 'chai'
import { liveGrantKey } from '../../src/grants/grants.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { isUniqueViolation } from '../../src/storage/violations.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { errorOf, openedNodes, raceOver } from '../support/cores.ts'
import { someAccount, someClient, someGrant } from '../support/people.ts'

onAnyStorage('grants', (kind) => {
  const nodes = openedNodes(kind)

  const save = (grant: { id: string; accountId: string; clientId: string }, node = nodes.a) =>
    node.grants.save({
      tenant: defaultTenant,
      ...grant,
      allowed: { openid: { scope: 'openid email' } },
    })

  it('are found by id, and by account and client', async () => {
    const { id, accountId, clientId } = await someGrant(nodes.a)
    const { grants } = nodes.b
    expect(await grants.find(defaultTenant, id)).to.deep.include({
      id,
      accountId,
      clientId,
      allowed: { openid: { scope: 'openid' } },
    })
    expect(await grants.between(defaultTenant, accountId, clientId)).to.equal(id)
    expect(await grants.find('other', id)).to.equal(undefined)
    expect(await grants.between('other', accountId, clientId)).to.equal(undefined)
  })

  it('are widened in place', async () => {
    const grant = await someGrant(nodes.a)
    await save(grant)
    const widened = await nodes.b.grants.find(defaultTenant, grant.id)
    expect(widened?.allowed).to.deep.equal({ openid: { scope: 'openid email' } })
  })

  it('exist once per account and client, also when 10 are saved in parallel', async () => {
    const grant = await someGrant(nodes.a)
    const error = await errorOf(save({ ...grant, id: newHandle() }))
    expect(isUniqueViolation(error, liveGrantKey)).to.equal(true)

    const accountId = await someAccount(nodes.a)
    const clientId = await someClient(nodes.a)
    const tally = await raceOver(nodes, 10, (node) =>
      save({ id: newHandle(), accountId, clientId }, node).then(
        () => 'saved',
        (failure: unknown) => (isUniqueViolation(failure, liveGrantKey) ? 'refused' : failure),
      ),
    )
    expect(tally).to.deep.equal({ saved: 1, refused: 9 })
  })

  it('that were revoked are not found, stay revoked, and make room for another', async () => {
    const grant = await someGrant(nodes.a)
    await nodes.a.database.execute(`update grants set revoked_at = now() where id = $1`, [grant.id])
    const { grants } = nodes.b
    expect(await grants.find(defaultTenant, grant.id)).to.equal(undefined)
    await save(grant)
    expect(await grants.find(defaultTenant, grant.id)).to.equal(undefined)
    const next = { ...grant, id: newHandle() }
    await save(next)
    expect(await grants.between(defaultTenant, grant.accountId, grant.clientId)).to.equal(next.id)
  })
})
