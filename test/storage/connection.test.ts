import { expect } from 'chai'
import { onEachStorage } from '../support/boot.ts'
import { errorOf, openedCore } from '../support/cores.ts'

interface Asked {
  text: string
  callback(error: Error): void
}

onEachStorage('a connection that fails within a transaction', (kind) => {
  const core = openedCore(kind, { DATABASE_POOL_SIZE: '1' })

  it('leaves no open transaction to the next user', async () => {
    const { database } = core
    const { dataSource } = database
    const create = dataSource.createQueryRunner.bind(dataSource)
    // This one statement fails on the client side.
    dataSource.createQueryRunner = () => {
      const runner = create()
      const connect = runner.connect.bind(runner)
      runner.connect = async () => {
        const client = await connect()
        const query = (statement: Asked) =>
          statement.text === 'select 2'
            ? statement.callback(new Error('this side failed'))
            : client.query(statement)
        return { query, end: () => client.end() }
      }
      return runner
    }
    await database.query('create table notes (id text)')
    const error = await errorOf(
      database.transaction(async () => {
        await database.query(`insert into notes values ('undone')`)
        await database.query('select 2')
      }),
    )
    dataSource.createQueryRunner = create
    expect(error.message).to.equal('this side failed')
    await database.query(`insert into notes values ('kept')`)
    const rows = await database.query(
      'select id, pg_current_xact_id_if_assigned()::text as transaction from notes',
    )
    expect(rows).to.deep.equal([{ id: 'kept', transaction: null }])
  })
})
