import { AsyncLocalStorage } from 'node:async_hooks'
import type { Database } from '../../src/storage/database.ts'

/** How the driver answers a query. */
type Answered = (...answer: unknown[]) => void

interface Asked {
  text: string
  callback: Answered
}

/** Marks the measured work: the process also queries Postgres in the background. */
const counted = new AsyncLocalStorage<true>()

/** Counts the statements and round trips of `work`, and records the SQL without values. */
export async function countingTrips({ dataSource }: Database, work: () => Promise<unknown>) {
  const create = dataSource.createQueryRunner.bind(dataSource)
  const trips = { all: 0, underWay: 0, most: 0, statements: [] as string[] }
  dataSource.createQueryRunner = () => {
    const runner = create()
    if (!counted.getStore()) return runner
    const connect = runner.connect.bind(runner)
    runner.connect = async () => {
      const client = (await connect()) as { query(query: Asked): unknown }
      const query = (statement: Asked) => {
        trips.all++
        trips.statements.push(statement.text)
        trips.most = Math.max(trips.most, ++trips.underWay)
        const { callback } = statement
        statement.callback = (...answer) => {
          trips.underWay--
          callback(...answer)
        }
        return client.query(statement)
      }
      return Object.assign(Object.create(client), { query })
    }
    return runner
  }
  try {
    await counted.run(true, work)
    return trips
  } finally {
    dataSource.createQueryRunner = create
  }
}
