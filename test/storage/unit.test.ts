import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import type { Database } from '../../src/storage/database.ts'
import { isUniqueViolation } from '../../src/storage/violations.ts'
import { freshStorage, onEachStorage, type StorageKind } from '../support/boot.ts'
import { errorOf, openNode } from '../support/cores.ts'
import { countingTrips } from '../support/trips.ts'

/** A pool of two, so that a leaked connection shows at once. */
async function openSmall(kind: StorageKind): Promise<Core> {
  return openNode({ ...(await freshStorage(kind)), DATABASE_POOL_SIZE: '2' })
}

onEachStorage('transaction', (kind) => {
  let core: Core
  let database: Database
  before(async () => {
    core = await openSmall(kind)
    database = core.database
    await database.query('create table notes (id text primary key)')
  })
  beforeEach(() => database.query('delete from notes'))
  after(() => core?.close())

  const note = (id: string) => database.execute('insert into notes values ($1)', [id])
  const notes = async () =>
    (await database.query<{ id: string }>('select id from notes order by id')).map(({ id }) => id)
  const transactionId = async () =>
    (
      await database.query<{ id: string | null }>(
        'select pg_current_xact_id_if_assigned()::text as id',
      )
    )[0]?.id

  it('returns rows, and the number of changed ones', async () => {
    expect(await note('a')).to.equal(1)
    expect(await database.execute('delete from notes where id = $1', ['z'])).to.equal(0)
    expect(await database.query('select id from notes')).to.deep.equal([{ id: 'a' }])
  })

  it('commits when its work returns', async () => {
    const answer = await database.transaction(async () => {
      await note('a')
      return 'done'
    })
    expect(answer).to.equal('done')
    expect(await notes()).to.deep.equal(['a'])
  })

  it('rolls back when its work throws', async () => {
    const error = await errorOf(
      database.transaction(async () => {
        await note('a')
        throw new Error('no')
      }),
    )
    expect(error.message).to.equal('no')
    expect(await notes()).to.deep.equal([])
  })

  it('joins an outer transaction', async () => {
    await errorOf(
      database.transaction(async () => {
        await note('outer')
        const outer = await transactionId()
        await database.transaction(async () => {
          await note('inner')
          expect(await transactionId()).to.equal(outer)
        })
        throw new Error('undo both')
      }),
    )
    expect(await notes()).to.deep.equal([])
  })

  it('passes on its error with the constraint', async () => {
    await note('a')
    const error = await errorOf(database.transaction(() => note('a')))
    expect(isUniqueViolation(error, 'notes_pkey')).to.equal(true)
    expect(isUniqueViolation(error, 'other_pkey')).to.equal(false)
  })

  it('belongs to its asynchronous context', async () => {
    const ids = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((id) =>
        database.transaction(async () => {
          await note(id)
          return transactionId()
        }),
      ),
    )
    expect(new Set(ids).size).to.equal(5)
    expect(await notes()).to.have.length(5)
  })

  it('runs statements issued in parallel one after the other', async () => {
    const { most } = await countingTrips(database, () =>
      database.transaction(async () => {
        await Promise.all(Array.from({ length: 20 }, (_, i) => note(`n${i}`)))
      }),
    )
    expect(most).to.equal(1)
    expect(await notes()).to.have.length(20)
  })

  describe('of a unit', () => {
    it('sends BEGIN with the first statement and COMMIT with the last: two round trips', async () => {
      const { all } = await countingTrips(database, () =>
        database.unit(async (unit) => {
          await unit.open()
          await note('first')
          unit.commitWith(async () => (await note('last')) === 1)
          return true
        }),
      )
      expect(all).to.equal(2)
      expect(await notes()).to.deep.equal(['first', 'last'])
    })

    it('is refused when the last statement changes nothing or fails', async () => {
      const done: string[] = []
      const ending = (last: () => Promise<boolean>) =>
        database.unit(async (unit) => {
          await unit.open()
          await database.query('select 1')
          unit.afterCommit(async () => done.push('kept'))
          unit.onRefusal(async () => done.push('refused'))
          unit.commitWith(last)
          return true
        })
      await ending(
        async () => (await database.execute('delete from notes where id = $1', ['none'])) > 0,
      )
      expect(done).to.deep.equal(['refused'])
      await note('twice')
      const error = await errorOf(ending(async () => (await note('twice')) === 1))
      expect(isUniqueViolation(error)).to.equal(true)
      expect(done).to.deep.equal(['refused', 'refused'])
      expect(await notes()).to.deep.equal(['twice'])
      await ending(async () => (await note('once')) === 1)
      expect(done).to.deep.equal(['refused', 'refused', 'kept'])
    })

    it('begins only when it is opened', async () => {
      await database.unit(async (unit) => {
        await note('kept')
        expect(await transactionId(), 'autocommit').to.equal(null)
        await unit.open()
        await note('undone')
        expect(await transactionId()).to.be.a('string')
        return false
      })
      expect(await notes()).to.deep.equal(['kept'])
    })

    it('begins once, also when it is opened twice in parallel', async () => {
      await database.unit(async (unit) => {
        await Promise.all([unit.open(), unit.open(), note('a'), unit.open(), note('b')])
        return true
      })
      expect(await notes()).to.deep.equal(['a', 'b'])
    })

    it('commits on true, rolls back on false and on an error', async () => {
      const end = (id: string, outcome: () => boolean) =>
        database.unit(async (unit) => {
          await unit.open()
          await note(id)
          return outcome()
        })
      await end('committed', () => true)
      await end('refused', () => false)
      const thrown = new Error('broken')
      const error = await errorOf(
        end('thrown', () => {
          throw thrown
        }),
      )
      expect(error).to.equal(thrown)
      expect(await notes()).to.deep.equal(['committed'])
    })

    it('does not contain a transaction that starts before it is opened, and is joined by one after', async () => {
      await database.unit(async (unit) => {
        await database.transaction(() => note('on its own'))
        await unit.open()
        await database.transaction(() => note('joined'))
        return false
      })
      expect(await notes()).to.deep.equal(['on its own'])
    })

    it('commits the effects of a refusal after the rollback', async () => {
      const seen: string[][] = []
      await database.unit(async (unit) => {
        await unit.open()
        await note('undone')
        unit.onRefusal(async () => {
          seen.push(await notes())
          await note('first')
        })
        unit.onRefusal(() => note('second'))
        unit.afterCommit(() => note('never'))
        return false
      })
      expect(seen, 'rows seen by the first effect').to.deep.equal([[]])
      expect(await notes()).to.deep.equal(['first', 'second'])
    })

    it('commits the effects of a refusal also when its work throws or it was never opened', async () => {
      await errorOf(
        database.unit(async (unit) => {
          await unit.open()
          unit.onRefusal(() => note('thrown'))
          throw new Error('no')
        }),
      )
      await database.unit(async (unit) => {
        unit.onRefusal(() => note('unopened'))
        return false
      })
      expect(await notes()).to.deep.equal(['thrown', 'unopened'])
    })

    it('runs its afterCommit work after the commit, outside the transaction', async () => {
      const order: string[] = []
      await database.unit(async (unit) => {
        await unit.open()
        await note('a')
        unit.afterCommit(async () => {
          order.push('effect')
          expect(database.current()).to.equal(undefined)
          expect(await transactionId()).to.equal(null)
          expect(await notes()).to.deep.equal(['a'])
        })
        unit.onRefusal(() => note('never'))
        order.push('work')
        return true
      })
      expect(order).to.deep.equal(['work', 'effect'])
      expect(await notes()).to.deep.equal(['a'])
    })

    it('does not commit after a failed statement, even if its error was caught', async () => {
      const error = await errorOf(
        database.unit(async (unit) => {
          await unit.open()
          await note('a')
          await note('a').catch(() => undefined)
          unit.onRefusal(() => note('refused'))
          return true
        }),
      )
      expect(isUniqueViolation(error)).to.equal(true)
      expect(await notes()).to.deep.equal(['refused'])
    })

    it('fails queued statements after a failed one', async () => {
      await database.unit(async (unit) => {
        await unit.open()
        const outcomes = await Promise.allSettled([note('a'), note('a'), note('b')])
        expect(outcomes.map(({ status }) => status)).to.deep.equal([
          'fulfilled',
          'rejected',
          'rejected',
        ])
        return false
      })
      expect(await notes()).to.deep.equal([])
    })

    it('runs no statement after one that Postgres cannot parse, and commits none', async () => {
      const error = await errorOf(
        database.unit(async (unit) => {
          await unit.open()
          await Promise.allSettled([database.query('select nothing from nowhere'), note('a')])
          unit.commitWith(async () => (await note('b')) === 1)
          return true
        }),
      )
      expect([error.message.includes('nowhere'), await notes()]).to.deep.equal([true, []])
    })

    it('refuses a statement after its end', async () => {
      const late = Promise.withResolvers<void>()
      let stray: Promise<Error> | undefined
      let strayTransaction: Promise<Error> | undefined
      await database.unit(async (unit) => {
        await unit.open()
        stray = errorOf(late.promise.then(() => note('stray')))
        strayTransaction = errorOf(
          late.promise.then(() => database.transaction(() => note('stray'))),
        )
        return false
      })
      late.resolve()
      expect((await stray)?.message).to.contain('after the end of its transaction')
      expect((await strayTransaction)?.message).to.contain('after the end of its transaction')
      expect(await notes()).to.deep.equal([])
    })

    it('waits for pending statements before it ends', async () => {
      await database.unit(async (unit) => {
        await unit.open()
        void note('a')
        void note('b')
        return true
      })
      expect(await notes()).to.deep.equal(['a', 'b'])
    })
  })

  it('returns its connection, however it ends', async () => {
    for (let i = 0; i < 5; i++) {
      await errorOf(database.transaction(() => database.query('select 1 / 0')))
      await database.unit(async (unit) => {
        await unit.open()
        return i % 2 === 0
      })
    }
    await note('still here')
    expect(await notes()).to.deep.equal(['still here'])
  })

  it('never waits for a connection that its own request holds', async () => {
    await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        database.unit(async (unit) => {
          await core.tenants.find('default')
          await unit.open()
          await Promise.all([note(`n${i}`), core.clients.find('default', `none-${i}`)])
          await core.singleUse.spend(
            { tenant: 'default', kind: 'jti', key: `deadlock-${i}` },
            Date.now() + 60_000,
            true,
          )
          unit.onRefusal(() => note(`refused${i}`))
          unit.afterCommit(() => note(`committed${i}`))
          return i % 2 === 0
        }),
      ),
    )
    expect(await notes()).to.have.length(12)
  })

  if (kind === 'services') {
    it('fails with the connection error when its connection is lost, and still stores its refusal', async () => {
      const error = await errorOf(
        database.unit(async (unit) => {
          await unit.open()
          const [row] = await database.query<{ pid: number }>('select pg_backend_pid() as pid')
          unit.onRefusal(() => note('refused'))
          await note('lost')
          await core.storage.database.dataSource.query('select pg_terminate_backend($1)', [
            row?.pid,
          ])
          await note('too late')
          return true
        }),
      )
      expect(error.message).to.match(/terminat|closed|released|connection/i)
      expect(await notes()).to.deep.equal(['refused'])
    })
  }
})
