import type { IssuerContext } from './capabilities.ts'

/** Ends a session at the request of its person, and audits it; does nothing if it has ended already. */
export async function signOut(
  { tenant, sessions, database, audit }: IssuerContext,
  { uid, accountId }: { uid: string; accountId?: string | undefined },
): Promise<void> {
  await database.transaction(async () => {
    const ended = await sessions.end(tenant, uid, 'signed_out')
    if (!ended || accountId === undefined) return
    await audit.record(tenant, { type: 'session.signed_out', accountId, detail: { session: uid } })
  })
}
