import { expect } from 'chai'
import type { AuditType } from '../../src/audit/kinds.ts'
import { auditList } from '../../src/cli/audit-list.ts'
import { auditVerify, type VerifyOutput } from '../../src/cli/audit-verify.ts'
import { freshStorage } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { runCommand, startNode } from '../support/node-process.ts'

const tenant = 'default'
/** More than two pages of an export. */
const many = 2100

describe('audit list, export and verify', () => {
  let env: Record<string, string>
  before(async () => {
    env = await freshStorage('embedded')
    const core = await openNode(env)
    await core.database.execute(
      `insert into audit_events (tenant_id, id, at, type, account_id, client_id, request_id)
       select 'default', 'event-' || i, now() - interval '1 hour' + i * interval '1 second',
         case i % 3 when 0 then 'account.signed_in' else 'family.replayed' end, 'account-' || i % 7, 'client-' || i % 5,
         'request-' || i / 2
       from generate_series(1, ${many}) i`,
    )
    await core.close()
  })

  const run = (...args: string[]) => runHere(['audit', ...args], env)
  const runAlone = (...args: string[]) => runCommand(['audit', ...args], env)

  it('list: events by account, client, type, request and time, page by page', async () => {
    const core = await openNode(env)
    try {
      const list = (wanted: object) => auditList.execute(core, { tenant, limit: 1000, ...wanted })
      const ids = async (wanted: object) =>
        (await list(wanted)).events.map((event) => Number(String(event['id']).slice(6)))
      const from = (step: number, rest: number) =>
        Array.from({ length: many }, (_, i) => many - i).filter((i) => i % step === rest)
      expect(await ids({ account: 'account-3' })).to.deep.equal(from(7, 3))
      expect(await ids({ client: 'client-3' })).to.deep.equal(from(5, 3))
      expect(await ids({ types: ['account.signed_in'] })).to.deep.equal(from(3, 0))
      expect(await ids({ request: 'request-50' })).to.deep.equal([101, 100])
      const both = { types: ['account.signed_in'], account: 'account-3', order: 'oldest' }
      expect(await ids(both)).to.deep.equal(from(21, 3).toReversed())

      const ours: AuditType[] = ['account.signed_in', 'family.replayed']
      const { events } = await list({ limit: 2, types: ours })
      const since = Date.parse(String(events[1]?.['at']))
      expect(await ids({ types: ours, since })).to.deep.equal([many, many - 1])
      expect(await ids({ types: ours, since: since - 1000, until: since })).to.deep.equal([
        many - 2,
      ])

      const seen: number[] = []
      for (let after: string | undefined, pages = 0; pages < 4; pages++) {
        const place = after === undefined ? {} : { after }
        const page = await list({ account: 'account-3', limit: 100, ...place })
        seen.push(...page.events.map((event) => Number(String(event['id']).slice(6))))
        after = page.next
        if (after === undefined) break
      }
      expect(seen).to.deep.equal(from(7, 3))
      await refusalOf(list({ after: 'nonsense' }), 'parameter_malformed')
      await refusalOf(list({ tenant: 'none' }), 'not_found')
      expect(auditList.render({ events: [] })).to.equal('There are no matching events.')
    } finally {
      await core.close()
    }
  })

  it('export: every event once, as NDJSON, with and without a running server', async () => {
    const node = await startNode({ env })
    const asked = await runAlone('export', '--since', '2000-01-01').finally(() => node.stop())
    expect(asked.stderr).to.equal('')
    expect(asked.code).to.equal(0)
    const events = asked.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>)
    const ids = events.map(({ id }) => id).filter((id) => id?.startsWith('event-'))
    expect(ids).to.deep.equal(Array.from({ length: many }, (_, i) => `event-${i + 1}`))
    expect(new Set(events.map(({ id }) => id)).size).to.equal(events.length)
    const own = await run('export', '--until', '1m', '--type', 'account.signed_in')
    expect(own.stdout.trim().split('\n')).to.have.length(many / 3)

    const refused = await run('export', '--since', 'yesterday')
    expect(refused.code).to.equal(2)
    expect(refused.stderr).to.include('--since: expected 2026-01-31,')
    expect((await run('list', '--type', 'account.flew')).stderr).to.include('got account.flew')
  })

  it('verify: exits with a code that shows whether the chain is valid', async () => {
    const fine = await run('verify')
    expect(fine.stderr).to.equal('')
    expect(fine.code).to.equal(0)
    expect(fine.stdout).to.match(/^\d+ events of tenant default verified, 0 removed/)
    expect(fine.stdout).to.match(/^None is waiting to be sealed\.$/m)
    const [, head = ''] = /^Head: (\d+:[\w-]{43})$/m.exec(fine.stdout) ?? []

    const core = await openNode(env)
    await core.audit.record(tenant, { type: 'account.data_downloaded', accountId: 'x' })
    const execute = (from?: string) => {
      const options = from === undefined ? {} : { fromHead: from }
      const args = { operands: [], options: { tenant, ...options } }
      const io = { env: {}, stdin: async () => '', out: () => undefined, err: () => undefined }
      return Promise.resolve(auditVerify.prepare(args, io)).then(
        async (input) => (await auditVerify.execute(core, input)) as VerifyOutput,
      )
    }
    const waiting = await execute(head)
    expect(waiting).to.include({ ok: true, verified: 0, head, unsealed: 1 })
    expect(waiting.oldest_unsealed_age).to.be.within(0, 60)
    await core.audit.sealEvents()
    expect(await execute(head)).to.include({ ok: true, verified: 1, unsealed: 0 })
    const strange = `7:${'x'.repeat(43)}`
    expect((await execute(strange)).fault).to.include({ what: 'head_unknown', position: 7 })

    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    await core.audit.sealEvents()
    await core.database.execute('alter table audit_events disable trigger user')
    await core.database.execute(`update audit_events set account_id = 'mallory' where position = 5`)
    await core.close()
    const found = await run('verify')
    expect(found.code).to.equal(1)
    expect(found.stdout).to.match(
      /^FAULT at position 5 \(event event-5\)\. The event does not match/,
    )
    expect(found.stdout).to.match(
      /\n {2}expected {2}[\w-]{43}\n {2}found {5}[\w-]{43}\n4 events of/,
    )
    expect((await run('verify', '--from-head', '12')).code).to.equal(2)

    const all = await run('verify', '--all', '--json')
    expect(all.code).to.equal(1)
    const { ok, chains } = JSON.parse(all.stdout) as { ok: boolean; chains: VerifyOutput[] }
    expect(ok).to.equal(false)
    expect(chains.map((chain) => [chain.tenant, chain.ok, chain.verified])).to.deep.equal([
      ['acme', true, 1],
      ['default', false, 4],
    ])
    expect((await run('verify', '--all', '--from-head', head)).code).to.equal(2)
  })
})
