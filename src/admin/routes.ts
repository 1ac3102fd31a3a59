import { z } from 'zod'
import { clientRoutes } from './clients.routes.ts'
import { type Route, route } from './route.ts'

/** Everything that the admin API has. */
export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/openapi.json',
    permission: 'public',
    summary: 'This document',
    response: z.looseObject({}),
    handle: async () => undefined,
  }),
  ...clientRoutes,
]
