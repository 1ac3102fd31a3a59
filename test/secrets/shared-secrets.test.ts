import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes } from '../support/cores.ts'

onAnyStorage('shared secrets', (kind) => {
  const nodes = openedNodes(kind)

  it('are the same for all parallel callers on two nodes', async () => {
    const secrets = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        (i % 2 ? nodes.a : nodes.b).sharedSecrets.get(defaultTenant, 'dpop'),
      ),
    )
    const [first] = secrets
    expect(first).to.have.length(32)
    for (const secret of secrets) expect(secret).to.deep.equal(first)
  })

  it('differ by name and tenant', async () => {
    await nodes.a.tenants.declare({ id: 'other', name: 'Other' })
    const { sharedSecrets } = nodes.a
    const all = [
      await sharedSecrets.get(defaultTenant, 'cookies'),
      await sharedSecrets.get(defaultTenant, 'csrf'),
      await sharedSecrets.get('other', 'csrf'),
    ].map((secret) => secret.toString('hex'))
    expect(new Set(all).size).to.equal(3)
  })

  it('are sealed: rows cannot be read or swapped', async () => {
    const { sharedSecrets, database } = nodes.a
    const secret = await sharedSecrets.get(defaultTenant, 'csrf')
    const rows = JSON.stringify(await database.query('select * from shared_secrets'))
    expect(rows).to.not.contain(secret.toString('base64')).and.not.contain(secret.toString('hex'))
    await database.execute(
      `update shared_secrets set sealed = (select sealed from shared_secrets
         where tenant_id = 'default' and name = 'cookies')
       where tenant_id = 'default' and name = 'csrf'`,
    )
    const outcome = await sharedSecrets.get(defaultTenant, 'csrf').catch((error: Error) => error)
    expect(outcome).to.have.property('code', 'key_encryption_key_invalid')
  })
})
