import { z } from 'zod'
import { rfc3339 } from '../rfc3339.ts'
import { type Route, route, timestamp } from './route.ts'
import { named } from './schemas.ts'

/** Numbers of objects: counted on request, or estimated where counting would take long. */

const count = z.int().nonnegative()

const counted = ['clients', 'accounts', 'sessions', 'families', 'grants'] as const

const statistics = named(
  'Statistics',
  z.strictObject({
    at: timestamp,
    clients: count,
    accounts: count,
    sessions: count.describe('Signed-in browsers'),
    families: count.describe('Refresh-token families that have not ended'),
    grants: count.describe('Grants that have not been revoked'),
    estimates: z
      .array(z.enum(counted))
      .describe(
        'Which of these numbers are estimates from the statistics of Postgres, as counting would take too long',
      ),
  }),
)

export const statisticsRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/tenants/{tenant}/statistics',
    permission: 'statistics:read',
    summary: 'Count clients, accounts, sessions, families and grants',
    response: statistics,
    async handle({ core, tenant }) {
      const found = {
        clients: await core.clients.views.count(tenant),
        accounts: await core.accounts.views.count(tenant),
        sessions: await core.sessions.count(tenant),
        families: await core.families.count(tenant),
        grants: await core.grants.count(tenant),
      }
      return {
        at: rfc3339(core.clock.now()),
        clients: found.clients.rows,
        accounts: found.accounts.rows,
        sessions: found.sessions.rows,
        families: found.families.rows,
        grants: found.grants.rows,
        estimates: counted.filter((name) => found[name].isEstimate),
      }
    },
  }),
]
