import { expect } from 'chai'
import { adminBootstrap } from '../../src/cli/admin-bootstrap.ts'
import { type Assignment, everywhere, type Subject } from '../../src/roles/role.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes, raceOver } from '../support/cores.ts'
import { someClient } from '../support/people.ts'

onAnyStorage('roles', (kind) => {
  const nodes = openedNodes(kind)

  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: { code?: string }) => error.code,
    )

  it('are bootstrapped once, however many processes try in parallel (C26, C30)', async () => {
    const tally = await raceOver(nodes, 6, (node) => codeOf(adminBootstrap.execute(node, {})))
    expect(tally).to.deep.equal({ done: 1, bootstrap_done: 5 })
  })

  it('keep one owner when the last ones leave in parallel (C26)', async () => {
    const { a } = nodes
    const subjects: Subject[] = []
    for (let i = 0; i < 4; i++) subjects.push({ clientId: await someClient(a) })
    const assignments: Array<Assignment | undefined> = []
    for (const subject of subjects) {
      assignments.push(await a.roles.grant(subject, 'owner', everywhere))
    }
    for (const { id, subject } of await a.roles.page(undefined, { limit: 100 })) {
      if (!subjects.some((each) => JSON.stringify(each) === JSON.stringify(subject))) {
        await a.roles.revoke(id)
      }
    }
    const tally = await raceOver(nodes, 4, (node, i) => {
      const subject = subjects[i] as { clientId: string }
      // Half of them lose the role, the other half are disabled.
      const go =
        i < 2
          ? node.roles.revoke(assignments[i]?.id ?? '')
          : node.database.transaction(async () => {
              await node.roles.assertNotLastOwner(subject)
              await node.clients.setDisabled(defaultTenant, subject.clientId, true)
            })
      return codeOf(go)
    })
    expect(tally).to.deep.equal({ done: 3, last_owner: 1 })
  })
})
