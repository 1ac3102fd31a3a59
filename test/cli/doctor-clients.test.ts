import { expect } from 'chai'
import { doctorStorage } from '../../src/cli/doctor-storage.ts'
import { anyStorage } from '../support/any-storage.ts'
import { openedCore } from '../support/cores.ts'

describe('doctor on stored clients', () => {
  const core = openedCore(anyStorage)

  const found = async () =>
    (await doctorStorage.execute(core, {})).find(({ name }) => name === 'clients')
  const insert = (redirectUri: string, from: number, to: number) =>
    core.database.query(
      `insert into clients (tenant_id, client_id, metadata, created_at, updated_at)
       select 'default', 'page-' || i,
         jsonb_build_object('client_id', 'page-' || i, 'redirect_uris', jsonb_build_array($1::text)), now(), now()
       from generate_series($2::int, $3::int) i`,
      [redirectUri, from, to],
    )

  it('names invalid clients, page by page', async () => {
    await insert('https://app.example.com/', 1000, 1998)
    expect(await found()).to.include({ status: 'ok' })
    await insert('http://app.example.com/', 1999, 1999)
    const { status, message } = (await found()) ?? {}
    expect(status).to.equal('fail')
    expect(message).to.match(/: page-1999 \(tenant default\): redirect_uris\.0: .+\.$/)
  })
})
