import type { TestServer } from './boot.ts'

/** Ids of existing events: they cannot be deleted, so a test must exclude those from before it. */
export async function idsOf({ core }: Pick<TestServer, 'core'>): Promise<string[]> {
  const rows = await core.database.query<{ id: string }>('select id from audit_events')
  return rows.map(({ id }) => id)
}
