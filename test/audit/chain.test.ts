import { expect } from 'chai'
import { sealedMembers } from '../../src/audit/chain.ts'
import type { AuditVerification } from '../../src/audit/verify.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedCore } from '../support/cores.ts'

const tenant = 'default'

onAnyStorage('the chain of audit events (ASVS 16.4.2)', (kind) => {
  const core = openedCore(kind)
  before(async () => {
    await core.firstStart()
    for (let i = 1; i <= 6; i++) {
      await core.audit.record(tenant, {
        type: 'account.password_changed',
        accountId: `account-${i}`,
        clientId: 'web',
        familyId: 'family',
        actor: { kind: 'account', id: 'account', role: 'owner' },
        ip: '192.0.2.1',
        userAgent: 'Netscape',
        detail: { by: 'owner', others: 'end' },
      })
      await core.audit.sealEvents()
    }
  })

  const verify = (from?: { position: number; seal: string }) => core.audit.verify(tenant, from)
  const at = async (position: number) => {
    const [row] = await core.database.query<{ id: string; seal: string }>(
      'select id, seal from audit_events where tenant_id = $1 and position = $2',
      [tenant, position],
    )
    return row as { id: string; seal: string }
  }

  /** Executes statements with full database permissions, verifies the chain, and rolls back. */
  async function tampered(...statements: string[]): Promise<AuditVerification> {
    let found: AuditVerification | undefined
    await core.database.unit(async (unit) => {
      await unit.open()
      await core.database.execute('alter table audit_events disable trigger user')
      for (const statement of statements) await core.database.execute(statement)
      found = await verify()
      return false
    })
    return found as AuditVerification
  }

  it('verifies', async () => {
    const found = await verify()
    expect(found.fault).to.equal(undefined)
    expect(found.verified).to.equal(found.head.position)
    expect(found.verified).to.be.least(6)
    expect(found.unsealed).to.equal(0)
  })

  it('covers every column except its own two and the tenant, which determines the key', async () => {
    const columns = await core.database.query<{ name: string }>(
      `select column_name as name from information_schema.columns where table_name = 'audit_events'`,
    )
    const own = ['tenant_id', 'position', 'seal']
    expect(columns.map(({ name }) => name)).to.have.members([...sealedMembers, ...own])
  })

  it('reveals a change of any column', async () => {
    const changes: Record<string, string> = {
      id: `'other'`,
      at: `at + interval '1 microsecond'`,
      type: `'account.signed_in'`,
      detail: `detail || '{"by": "operator"}'`,
      open_until: 'at',
      position: 'position + 100000',
      seal: `translate(seal, 'A', 'B') || 'x'`,
    }
    for (const column of [...sealedMembers, 'position', 'seal']) {
      const value = changes[column] ?? `'changed'`
      const { fault } = await tampered(
        `update audit_events set ${column} = ${value} where position = 3`,
      )
      expect(fault?.position, column).to.equal(3)
      if (column !== 'position') expect(fault?.what, column).to.equal('event_altered')
      // Null differs from an empty value.
      if (['id', 'at', 'type', 'position', 'seal', 'open_until'].includes(column)) continue
      const gone = await tampered(`update audit_events set ${column} = null where position = 3`)
      if (column !== 'request_id') expect(gone.fault?.position, column).to.equal(3)
    }
  })

  it('reveals a missing event, an additional one, and two that were swapped', async () => {
    const removed = await tampered('delete from audit_events where position = 3')
    expect(removed.fault).to.include({ what: 'event_missing', position: 3 })
    expect(removed.fault).to.include({ expected: 'position 3', found: 'position 4' })

    const third = await at(3)
    const copy = `insert into audit_events (tenant_id, id, at, type, position, seal)
      select tenant_id, 'forged', at, type, 3, seal from audit_events where position = 3`
    const inserted = await tampered(
      'update audit_events set position = position + 1000 where position >= 3',
      'update audit_events set position = position - 999 where position >= 1003',
      copy.replace('where position = 3', 'where position = 4'),
    )
    expect(inserted.fault).to.include({ what: 'event_altered', position: 3, id: 'forged' })
    expect(inserted.fault?.found).to.equal(third.seal)

    const swapped = await tampered(
      'update audit_events set position = -position where position in (3, 4)',
      'update audit_events set position = 7 + position where position < 0',
    )
    expect(swapped.fault).to.include({ what: 'event_altered', position: 3 })
  })

  it('reveals a truncated end, even if the head was changed accordingly', async () => {
    const { head } = await verify()
    const last = head.position
    const cut = await tampered(`delete from audit_events where position = ${last}`)
    expect(cut.fault).to.include({ what: 'event_missing', position: last })

    const before = await at(last - 1)
    const moved = await tampered(
      `delete from audit_events where position = ${last}`,
      `update audit_heads set position = ${last - 1}, seal = '${before.seal}'`,
    )
    expect(moved.fault?.what).to.equal('head_altered')
    const headless = await tampered('delete from audit_heads')
    expect(headless.fault?.what).to.equal('event_strange')
    const beyond = await tampered(
      `insert into audit_events (tenant_id, id, at, type, position, seal)
       values ('default', 'forged', now(), 'account.signed_in', ${last + 1}, 'x')`,
    )
    expect(beyond.fault).to.include({ what: 'event_strange', id: 'forged' })
  })

  it('is not continued if its head was changed or is missing', async () => {
    await core.audit.record(tenant, { type: 'account.data_downloaded', accountId: 'a' })
    for (const change of [
      'delete from audit_heads',
      `update audit_heads set position = position - 1`,
    ]) {
      let refused = ''
      await core.database.unit(async (unit) => {
        await unit.open()
        await core.database.execute(change)
        refused = await core.audit.sealEvents().then(
          () => 'sealed',
          (error: Error) => error.message,
        )
        return false
      })
      expect(refused, change).to.match(/head of the audit chain of default was (changed|removed)/)
    }
    await core.audit.sealEvents()
  })

  it('reveals an older copy to a caller that kept a later head, and to a process that saw it', async () => {
    const [old] = await core.database.query<{ position: string; seal: string; mac: string }>(
      'select position::text as position, seal, mac from audit_heads',
    )
    await core.audit.record(tenant, { type: 'account.data_downloaded', accountId: 'late' })
    await core.audit.sealEvents()
    const { head } = await verify()
    expect((await verify(head)).fault).to.equal(undefined)
    const restore = [
      'alter table audit_events disable trigger user',
      `delete from audit_events where position > ${old?.position}`,
      `update audit_heads set position = ${old?.position}, seal = '${old?.seal}', mac = '${old?.mac}'`,
    ]
    await core.database.unit(async (unit) => {
      await unit.open()
      for (const statement of restore) await core.database.execute(statement)
      expect((await verify()).fault, 'the copy itself is consistent').to.equal(undefined)
      const { fault } = await verify(head)
      expect(fault).to.include({
        what: 'head_unknown',
        position: head.position,
        expected: head.seal,
      })
      await core.audit.record(tenant, { type: 'account.data_downloaded', accountId: 'after' })
      const refused = await core.audit.sealEvents().then(
        () => 'sealed',
        (error: Error) => error.message,
      )
      expect(refused).to.include(`ended at ${head.position} and now ends at ${old?.position}`)
      return false
    })
  })

  it('can be verified from an earlier head, which must be part of it', async () => {
    const [second, head] = [await at(2), (await verify()).head]
    const since = await verify({ position: 2, seal: second.seal })
    expect(since.fault).to.equal(undefined)
    expect(since.verified).to.equal(head.position - 2)
    const strange = await verify({ position: 3, seal: second.seal })
    expect(strange.fault).to.include({
      what: 'head_unknown',
      position: 3,
      found: (await at(3)).seal,
    })
  })

  it('allows no update, deletion or truncation of events', async () => {
    for (const statement of [
      `update audit_events set ip = 'x' where position = 3`,
      'update audit_events set position = null, seal = null where position = 3',
      'delete from audit_events where position = 3',
      'truncate audit_events',
    ]) {
      const refused = await core.database.execute(statement).then(
        () => 'done',
        (error: Error) => error.message,
      )
      expect(refused, statement).to.include('audit_events is append-only')
    }
    await core.audit.record(tenant, { type: 'account.data_downloaded', accountId: 'unsealed' })
    for (const statement of [
      `update audit_events set account_id = 'x' where position is null`,
      `update audit_events set position = 1000 where position is null`,
      `select set_config('keyturn.audit_retention', 'on', true) from audit_heads;
       delete from audit_events where position is null`,
    ]) {
      const refused = await core.database
        .transaction(async () => {
          for (const part of statement.split(';')) await core.database.execute(part)
        })
        .then(
          () => 'done',
          (error: Error) => error.message,
        )
      expect(refused, statement).to.include('audit_events is append-only')
    }
    await core.audit.sealEvents()
    expect((await verify()).fault).to.equal(undefined)
  })
})
