import type { TestServer } from './boot.ts'

/** Events that there are: nothing removes them, so that a story must leave out those before it. */
export async function idsOf({ core }: Pick<TestServer, 'core'>): Promise<string[]> {
  const rows = await core.database.query<{ id: string }>('select id from audit_events')
  return rows.map(({ id }) => id)
}
