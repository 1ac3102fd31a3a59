import { expect } from 'chai'
import { renderApply } from '../../src/cli/apply-output.ts'
import { diagnosisOf, renderDiagnosis } from '../../src/cli/check.ts'
import { columns } from '../../src/cli/columns.ts'
import { describeFailure } from '../../src/cli/failure.ts'
import { DomainError } from '../../src/errors.ts'

describe('What commands print', () => {
  it('aligns columns and lets no control character through', () => {
    expect(
      columns([
        ['a', 'long cell', ''],
        ['bcd', 'x\u001b[31m', 'end'],
      ]),
    ).to.equal('a    long cell\nbcd  x?[31m     end')
  })

  it('tells an outcome from a plan', () => {
    const result = {
      plan: false,
      created: 1,
      updated: 0,
      unchanged: 1,
      changes: [
        { tenant: 'default', kind: 'client', id: 'web', outcome: 'created' },
        { tenant: 'acme', kind: 'resource_server', id: 'https://a', outcome: 'unchanged' },
      ],
      client_secrets: [{ tenant: 'default', client_id: 'web', client_secret: 's3cret' }],
    } satisfies Parameters<typeof renderApply>[0]
    expect(renderApply(result).split('\n')).to.deep.equal([
      'created    client           web',
      'unchanged  resource server  https://a (tenant acme)',
      '1 created, 0 updated, 1 unchanged.',
      '',
      'Client secrets, shown once and stored nowhere:',
      'web  s3cret',
    ])
    expect(renderApply({ ...result, plan: true, client_secrets: [] }))
      .to.include('create     client')
      .and.include('Plan: 1 to create, 0 to update, 1 unchanged. Nothing was changed.')
  })

  it('prints one line per check, with what to do about it', () => {
    const diagnosis = diagnosisOf([
      { name: 'clock', status: 'ok', message: 'Fine.' },
      { name: 'storage', status: 'fail', message: 'It is\n  away.', fix: 'start it.' },
    ])
    expect(diagnosis.ok).to.equal(false)
    expect(renderDiagnosis(diagnosis)).to.equal(
      'ok    clock    Fine.\nfail  storage  It is away. Fix: start it.',
    )
  })

  it('describes failures in one line, or in one line per fault', () => {
    const domain = (detail: string | Record<string, unknown>) =>
      describeFailure(new DomainError('client_invalid', { detail }))
    expect(domain('It is so.')).to.equal('It is so.')
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
      'Another process uses this data folder.',
    )
    expect(describeFailure(new Error('boom'))).to.equal('boom')
    expect(describeFailure('boom')).to.equal('boom')
  })
})
