import { z } from 'zod'
import { accessRoutes } from './access.routes.ts'
import { accountRoutes } from './accounts.routes.ts'
import { auditRoutes } from './audit.routes.ts'
import { clientRoutes } from './clients.routes.ts'
import { credentialRoutes } from './credentials.routes.ts'
import { denialRoutes } from './denials.routes.ts'
import { invitationRoutes } from './invitations.routes.ts'
import { keyRoutes } from './keys.routes.ts'
import { registrationRoutes } from './registration.routes.ts'
import { resourceServerRoutes } from './resource-servers.routes.ts'
import { roleRoutes } from './roles.routes.ts'
import { type Route, route } from './route.ts'
import { statisticsRoutes } from './statistics.routes.ts'
import { tenantRoutes } from './tenants.routes.ts'

/** All routes of the admin API. */
export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/openapi.json',
    permission: 'public',
    summary: 'Read this OpenAPI document',
    response: z.looseObject({}),
    handle: async () => undefined,
  }),
  ...tenantRoutes,
  ...resourceServerRoutes,
  ...clientRoutes,
  ...registrationRoutes,
  ...accountRoutes,
  ...credentialRoutes,
  ...invitationRoutes,
  ...accessRoutes,
  ...keyRoutes,
  ...roleRoutes,
  ...auditRoutes,
  ...denialRoutes,
  ...statisticsRoutes,
]
