import { z } from 'zod'
import { type Route, route, timeOf, timestamp } from './route.ts'
import { named } from './schemas.ts'

/** How much there is, counted when it is asked for. */

const count = z.int().nonnegative()

const statistics = named(
  'Statistics',
  z.strictObject({
    at: timestamp,
    clients: count,
    accounts: count,
    sessions: count.describe('Browsers that are signed in'),
    families: count.describe('Refresh-token families that have not ended'),
    grants: count.describe('Consent that stands'),
  }),
)

export const statisticsRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/tenants/{tenant}/statistics',
    permission: 'statistics:read',
    summary: 'Count what there is',
    response: statistics,
    async handle({ core, tenant }) {
      const [clients, accounts, sessions, families, grants] = await Promise.all([
        core.clients.views.count(tenant),
        core.accounts.views.count(tenant),
        core.sessions.count(tenant),
        core.families.count(tenant),
        core.grants.count(tenant),
      ])
      return { at: timeOf(core.clock.now()), clients, accounts, sessions, families, grants }
    },
  }),
]
