import { expect } from 'chai'
import type { Database } from '../../src/storage/database.ts'
import { onEachStorage } from '../support/boot.ts'
import { errorOf, openedCore } from '../support/cores.ts'
import { countingTrips } from '../support/trips.ts'

onEachStorage('statements of a transaction that are sent together', (kind) => {
  const core = openedCore(kind, { DATABASE_POOL_SIZE: '1' })
  let database: Database
  before(async () => {
    database = core.database
    await database.query('create table notes (id text primary key)')
  })
  beforeEach(() => database.query('delete from notes'))

  const note = (id: string) => database.execute('insert into notes values ($1)', [id])
  const notes = async () =>
    (await database.query<{ id: string }>('select id from notes order by id')).map(({ id }) => id)

  it('are sent in one round trip, each with its own answer, also when prepared', async () => {
    for (const [one, other] of [
      ['a', 'b'],
      ['c', 'd'],
    ] as const) {
      const { all } = await countingTrips(database, () =>
        database.unit(async (unit) => {
          await unit.open()
          const answers = await unit.together(() =>
            Promise.all([
              note(one),
              database.query('select id from notes where id = $1', [one]),
              note(other),
              database.execute('delete from notes where id = $1', ['none']),
              notes(),
            ]),
          )
          expect(answers.slice(0, 4)).to.deep.equal([1, [{ id: one }], 1, 0])
          expect(answers[4]).to.include.members([one, other])
          return true
        }),
      )
      expect(all, 'round trips, with COMMIT').to.equal(2)
    }
    expect(await notes()).to.deep.equal(['a', 'b', 'c', 'd'])
  })

  it('fail from the first failure on, and can be sent again afterwards', async () => {
    await note('there')
    const both = (first: string, second: string) =>
      database.unit(async (unit) => {
        await unit.open()
        const outcomes = await unit.together(() =>
          Promise.allSettled([
            note(first),
            database.execute('delete from notes where id = $1 and id <> $2', [second, second]),
            note(second),
            database.execute('update notes set id = $1 where id = $1', [first]),
          ]),
        )
        const kinds = outcomes.map(({ status }) => status)
        if (kinds.includes('rejected')) throw new Error(kinds.join())
        return true
      })
    const error = await errorOf(both('new', 'there'))
    expect(error.message).to.equal('fulfilled,fulfilled,rejected,rejected')
    expect(await notes()).to.deep.equal(['there'])
    await both('one', 'two')
    await both('three', 'four')
    expect(await notes()).to.deep.equal(['four', 'one', 'there', 'three', 'two'])
  })

  it('have no effect when one cannot be parsed, and the others can be sent later', async () => {
    const ask = (column: string) =>
      database.unit(async (unit) => {
        await unit.open()
        await unit.together(() =>
          Promise.all([
            database.execute('insert into notes values ($1) /* read later */', ['a']),
            database.query(`select ${column} from notes`),
            database.query('select count(*) from notes'),
          ]),
        )
        return true
      })
    expect((await errorOf(ask('nothing'))).message).to.include('nothing')
    expect(await notes()).to.deep.equal([])
    await ask('id')
    expect(await notes()).to.deep.equal(['a'])
  })

  it('leave a statement usable alone after one behind it failed', async () => {
    const sql = 'select id from notes where id = $1 /* alone later */'
    const failing = database.unit(async (unit) => {
      await unit.open()
      await unit.together(() =>
        Promise.all([
          database.query(sql, ['a']),
          database.query('select 1 / (count(*) - count(*)) from notes'),
        ]),
      )
      return true
    })
    expect((await errorOf(failing)).message).to.include('division by zero')
    await note('a')
    for (const _ of [1, 2]) expect(await database.query(sql, ['a'])).to.deep.equal([{ id: 'a' }])
  })
})
