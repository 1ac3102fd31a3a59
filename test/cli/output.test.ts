import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { renderApply } from '../../src/cli/apply-output.ts'
import { diagnosisOf, renderDiagnosis } from '../../src/cli/check.ts'
import { columns } from '../../src/cli/columns.ts'
import { differenceLines, memberChanges } from '../../src/cli/difference.ts'
import { parseYaml } from '../../src/cli/document.ts'
import { describeFailure } from '../../src/cli/failure.ts'
import { DomainError } from '../../src/errors.ts'
import { startChild } from '../support/child.ts'

describe('output of commands', () => {
  it('aligns columns and replaces control characters', () => {
    expect(
      columns([
        ['a', 'long cell', ''],
        ['bcd', 'x\u001b[31m', 'end'],
      ]),
    ).to.equal('a    long cell\nbcd  x?[31m     end')
  })

  it('distinguishes an outcome from a plan', () => {
    const result = {
      plan: false,
      created: 1,
      updated: 0,
      unchanged: 1,
      changes: [
        { tenant: 'default', kind: 'client', id: 'web', outcome: 'created', members: [] },
        {
          tenant: 'acme',
          kind: 'resource_server',
          id: 'https://a',
          outcome: 'unchanged',
          members: [],
        },
      ],
      client_secrets: [{ tenant: 'default', client_id: 'web', client_secret: 's3cret' }],
    } satisfies Parameters<typeof renderApply>[0]
    expect(renderApply(result).split('\n')).to.deep.equal([
      'created    client           web',
      'unchanged  resource server  https://a (tenant acme)',
      '1 created, 0 updated, 1 unchanged.',
      '',
      'Client secrets, shown once and not stored:',
      'web  s3cret',
    ])
    expect(renderApply({ ...result, plan: true, client_secrets: [] }).split('\n')).to.deep.equal([
      '+ client web',
      'Plan: 1 to create, 0 to update, 1 unchanged. Nothing was changed.',
    ])
  })

  it('shows a plan member by member: list elements, texts before and after, no secrets', () => {
    const before = { name: 'a', redirect_uris: ['https://a', 'https://b'], scope: 'r w', old: 1 }
    const after = { name: 'b\u001b[2J', redirect_uris: ['https://b', 'https://c'], scope: 'r' }
    const members = memberChanges(before, after, 'client_secret')
    expect(members.map(({ path }) => path)).to.deep.equal(
      ['client_secret', 'name', 'old', 'redirect_uris', 'scope'], // in alphabetical order
    )
    const change = {
      tenant: 'acme',
      kind: 'client',
      id: 'web',
      outcome: 'updated',
      members,
    } as const
    const counts = { created: 0, updated: 1, unchanged: 0, client_secrets: [] }
    const lines = renderApply({ plan: true, ...counts, changes: [change] }).split('\n')
    expect(lines.slice(0, -1)).to.deep.equal([
      '~ client web (tenant acme)',
      '    ~ client_secret:  (sensitive)',
      '    ~ name:           "a" → "b\\u001b[2J"',
      '    - old:            1',
      '    - redirect_uris:  https://a',
      '    + redirect_uris:  https://c',
      '    - scope:          w',
    ])
    const done = renderApply({ plan: false, ...counts, changes: [change] })
    expect(done).to.match(/^updated {2}client {2}web \(tenant acme\)\n {4}~ client_secret: /)
  })

  it('shows a changed order of a list, members of objects, and undeclared objects', () => {
    const change = (before: object, after: object) =>
      memberChanges(before, after).flatMap(differenceLines)
    expect(change({ a: ['x', 'y'] }, { a: ['y', 'x'] })).to.deep.equal([
      ['~', 'a', '["x","y"] → ["y","x"]'],
    ])
    expect(change({ a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } })).to.deep.equal([
      ['~', 'a.c', '2 → 3'],
    ])
    expect(change({ a: { b: [1] } }, { a: { b: [1] } })).to.deep.equal([])
    expect(change({ a: null }, { a: { b: 1 } })).to.deep.equal([['~', 'a', 'null → {"b":1}']])
    const counts = { created: 0, updated: 0, unchanged: 0, changes: [], client_secrets: [] }
    const undeclared = [{ tenant: 'default', kind: 'client', id: 'x' } as const]
    expect(renderApply({ plan: true, ...counts, undeclared, drift: true })).to.equal(
      'not declared: client x\nPlan: 0 to create, 0 to update, 0 unchanged. Nothing was changed.\nThere is drift.',
    )
  })

  it('has one line per check, with advice', () => {
    const diagnosis = diagnosisOf([
      { name: 'clock', status: 'ok', message: 'Fine.' },
      { name: 'storage', status: 'fail', message: 'It is\n  away.', fix: 'start it.' },
    ])
    expect(diagnosis.ok).to.equal(false)
    expect(renderDiagnosis(diagnosis)).to.equal(
      'ok    clock    Fine.\nfail  storage  It is away. Fix: start it.',
    )
  })

  it('gives advice on a file that is too long', () => {
    let said = ''
    try {
      parseYaml(' '.repeat(256 * 1024 * 1024 + 1), 'all.yaml', 'apply_invalid')
    } catch (error) {
      said = describeFailure(error)
    }
    expect(said).to.include('all.yaml').and.include('256 MiB: split it into several files')
  })

  it('has one line for a failure, or one line per fault', () => {
    const domain = (detail: string | Record<string, unknown>) =>
      describeFailure(new DomainError('client_invalid', { detail }))
    expect(domain('It is so.')).to.equal('It is so.')
    expect(domain('So says OpenSSL.\n')).to.equal('So says OpenSSL.')
    expect(domain({ client_id: 'web' })).to.equal(
      'The registration of this client is not valid (client_id: web).',
    )
    expect(domain({ client_id: 'web', faults: ['a: b'] })).to.equal(
      'The registration of this client is not valid (client_id: web): a: b',
    )
    expect(domain('one\ntwo')).to.equal(
      'The registration of this client is not valid, 2 faults:\n  one\n  two',
    )
    expect(describeFailure(new DomainError('storage_locked'))).to.equal(
      'Another process is using this data folder.',
    )
    expect(describeFailure(new Error('boom'))).to.equal('boom')
    expect(describeFailure('boom')).to.equal('boom')
    const readOnly = Object.assign(new Error('cannot execute INSERT'), { code: '25006' })
    expect(describeFailure(readOnly)).to.equal(
      'Postgres does not accept writes; DATABASE_URL must name one that does: cannot execute INSERT',
    )
  })

  it('is reported as failed if it cannot be written, but not if the reader has closed the pipe', async () => {
    const into = (end: string) =>
      startChild('/bin/sh', ['-c', `"$0" src/main.ts --help ${end}`, process.execPath], {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        env: { PATH: process.env['PATH'] },
      })
    const full = await into('> /dev/full')
    expect((await full.exit).code).to.equal(1)
    expect(full.stderr()).to.equal('keyturn: cannot write to standard output (ENOSPC)\n')
    const unread = await into('| true')
    await unread.exit
    expect(unread.stderr()).to.equal('')
  })
})
