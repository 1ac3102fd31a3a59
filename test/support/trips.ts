import { AsyncLocalStorage } from 'node:async_hooks'
import type { Database } from '../../src/storage/database.ts'

/** How the driver answers a query. */
type Answered = (...answer: unknown[]) => void

interface Asked {
  text: string
  callback: Answered
}

/** Where the work goes on that is looked at: a process asks Postgres for itself all the time. */
const counted = new AsyncLocalStorage<true>()

/** What `work` asks of Postgres: how often, how much at once, and what, without its values. */
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
