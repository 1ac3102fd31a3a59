import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { unheardFor } from '../../src/denials/denials.ts'
import { sweepExpired } from '../../src/retention.ts'
import { sweepBatch } from '../../src/storage/sweep.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'

onAnyStorage('revocation of more families than one statement may change', (kind) => {
  const server = booted(kind)
  let core: Core
  /** A new client for each test; the ids of all its rows begin with its id. */
  let clientId: string
  let clients = 0
  let ofClient: string
  /** A few batches only, because all rows are searched for secrets when the server stops. */
  const many = 2 * sweepBatch + 200

  before(async () => {
    core = server.core
    await furnish(server)
  })
  beforeEach(async () => {
    clientId = `popular${clients++}`
    ofClient = `kind = 'client' and subject = '${clientId}'`
    await core.clients.declare('default', { ...web, client_id: clientId })
    await fill()
  })

  /** Creates `many` accounts with one family each at the client, each with three tokens. */
  async function fill() {
    const now = new Date()
    const later = new Date(now.getTime() + 24 * 3600 * 1000)
    const statements = [
      [
        `insert into accounts (tenant_id, id, email, email_key, email_verified, roles, created_at, updated_at)
           select 'default', '${clientId}a' || i, '${clientId}a' || i, '${clientId}a' || i, true, '{}', $3, $3 from generate_series($1::int, $2::int) i`,
        now,
      ],
      [
        `insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at)
           select 'default', '${clientId}g' || i, '${clientId}a' || i, '${clientId}', '{}', $3, $3 from generate_series($1::int, $2::int) i`,
        now,
      ],
      [
        `insert into families (tenant_id, id, grant_id, account_id, client_id, ends_with_session, created_at, expires_at)
           select 'default', '${clientId}f' || i, '${clientId}g' || i, '${clientId}a' || i, '${clientId}', false, $3, $4
             from generate_series($1::int, $2::int) i`,
        now,
        later,
      ],
      [
        `insert into refresh_tokens (tenant_id, token_hash, family_id, payload, issued_at, expires_at, consumed_at)
           select 'default', '${clientId}t' || i || '-' || j, '${clientId}f' || i, '{}', $3::timestamptz, $4, case when j < 3 then $3::timestamptz end
             from generate_series($1::int, $2::int) i, generate_series(1, 3) j`,
        now,
        later,
      ],
    ] as const
    for (const [sql, ...times] of statements) {
      await core.database.execute(sql, [1, many, ...times])
    }
    await core.database.execute('analyze')
  }

  /** Whether the denial covers tokens dated up to so many milliseconds after the last family ended. */
  const reachesBeyond = (milliseconds: number) =>
    `${ofClient} and not_before >= (select max(ended_at) from families
      where client_id = '${clientId}') + interval '${milliseconds} milliseconds'`

  async function count(table: string, where = 'true'): Promise<number> {
    const [row] = await core.database.query<{ n: number }>(
      `select count(*)::int as n from ${table} where ${where}`,
    )
    return row?.n ?? -1
  }
  const living = () => count('families', `client_id = '${clientId}' and ended_at is null`)

  /** @param statement PL/pgSQL to run in the transaction that ends the family */
  async function asEnds(family: string, statement: string) {
    await core.database.execute(
      `create function meanwhile() returns trigger language plpgsql as $$ begin
         if new.id = '${family}' and new.ended_at is not null then ${statement}; end if; return new; end $$`,
    )
    await core.database.execute(
      'create trigger meanwhile before update on families for each row execute function meanwhile()',
    )
    return () => core.database.execute('drop function meanwhile cascade')
  }
  /** Makes the batch with this family fail, as if the node died there. */
  const failOn = (family: string) => asEnds(family, `raise exception 'killed'`)

  it('disables a client with many families, and ends all of them', async () => {
    expect(await core.revocations.setClientDisabled('default', clientId, true)).to.equal(true)
    expect(await living()).to.equal(0)
    expect(
      await count('audit_events', `type = 'family.ended' and family_id like '${clientId}f%'`),
    ).to.equal(many)
    expect(await count('denials', `kind = 'family' and subject like '${clientId}f%'`)).to.equal(0)
    expect(await count('denials', reachesBeyond(unheardFor))).to.equal(1)
  })

  it('deletes a client with many families, and leaves nothing', async () => {
    await core.revocations.deleteClient('default', clientId)
    expect(await count('clients', `client_id = '${clientId}'`)).to.equal(0)
    for (const [table, id] of [
      ['families', 'id'],
      ['refresh_tokens', 'family_id'],
      ['grants', 'id'],
    ] as const) {
      expect(await count(table, `${id} like '${clientId}%'`), table).to.equal(0)
    }
    expect(
      await count('audit_events', `type = 'client.deleted' and client_id = '${clientId}'`),
    ).to.equal(1)
  })

  it('stops in the sweep when the client is enabled meanwhile', async () => {
    await core.database.execute(
      `update clients set disabled_at = now() where client_id = '${clientId}'`,
    )
    const end = await asEnds(
      `${clientId}f1`,
      `update clients set disabled_at = null where client_id = '${clientId}'`,
    )
    await core.families.sweep()
    await end()
    expect(await living(), 'the remaining batches').to.be.within(1, many - 1)
  })

  it('does not deny tokens that a client gets after it was enabled again', async () => {
    const revive = await failOn(`${clientId}f999`)
    await core.revocations.setClientDisabled('default', clientId, true).catch(() => {})
    await revive()
    await core.database.execute(`delete from denials where ${ofClient}`)
    await core.revocations.setClientDisabled('default', clientId, false)
    const issuedAt = new Date(Math.floor(core.clock.now() / 1000) * 1000).toISOString()
    expect(await living()).to.equal(0)
    expect(await count('denials', `${ofClient} and not_before < '${issuedAt}'`)).to.equal(1)
  })

  const finishers: Record<string, () => Promise<unknown>> = {
    'the sweep': () => sweepExpired(core),
    'enabling it': () => core.revocations.setClientDisabled('default', clientId, false),
    'disabling it again': () => core.revocations.setClientDisabled('default', clientId, true),
  }
  for (const [what, finish] of Object.entries(finishers)) {
    it(`leaves the client disabled if interrupted, and ${what} ends the remaining families (R-19)`, async () => {
      const revive = await failOn(`${clientId}f999`)
      const failed = await core.revocations.setClientDisabled('default', clientId, true).then(
        () => false,
        () => true,
      )
      expect(failed).to.equal(true)
      expect(await core.clients.isDisabled('default', clientId)).to.equal(true)
      expect(await count('denials', ofClient)).to.equal(1)
      expect(await living()).to.be.above(0)
      await revive()
      // The earlier denial does not cover tokens issued by later refreshes.
      await core.database.execute(`delete from denials where ${ofClient}`)
      await finish()
      expect(await living()).to.equal(0)
      // In the other cases every node already knows that the client is disabled.
      const unheard = what === 'disabling it again' ? unheardFor : 0
      expect(await count('denials', reachesBeyond(unheard))).to.equal(1)
    })
  }
})
