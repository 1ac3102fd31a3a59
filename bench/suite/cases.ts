import type { Plan, StoryName } from '../load/plan.ts'
import { asked, introspector, machine, resourceServers, webClient } from '../servers/scenario.ts'

/** What a story needs before it begins. */
export type Supply = 'nothing' | 'cookies' | 'people' | 'codes' | 'refresh_token' | 'access_token'

/** What one server is asked, over and over. */
export interface Task extends Pick<Plan, 'story' | 'client' | 'fields' | 'expects' | 'yields'> {
  supply: Supply
  /** What the tokens of the supply were asked for with. */
  asked?: Record<string, string>
}

/** A row of the table. */
export interface Case {
  /** `npm run bench -- <name>`; several rows may share it. */
  name: string
  row: string
  task: Task
  /** What the bare engine does beside it, where that is something else. */
  engine?: Task
  /** The least that the ratio ought to be. */
  target?: number
}

function credentials(of: keyof typeof resourceServers): Task {
  const { identifier, scopes } = resourceServers[of]
  const fields = { resource: identifier, scope: scopes.join(' ') }
  return { story: 'client-credentials', client: machine, fields, supply: 'nothing' }
}

function introspection(of: Record<string, string>): Task {
  return {
    ...{ story: 'introspection', client: introspector, fields: {} },
    ...{ supply: 'access_token', asked: of },
  } as const
}

const plain = (story: StoryName): Task => ({
  ...{ story, client: webClient, fields: {}, supply: 'nothing' },
})

export const cases: Case[] = [
  {
    name: 'client-credentials',
    row: 'client credentials, ES256',
    task: credentials('orders'),
    target: 0.85,
  },
  { name: 'client-credentials', row: 'client credentials, RS256', task: credentials('reports') },
  {
    name: 'code-exchange',
    row: 'code exchange, ID token RS256',
    task: {
      ...{ story: 'code-exchange', client: webClient, fields: {}, supply: 'codes' },
      ...{ asked: asked.signIn, expects: { present: ['id_token', 'refresh_token'] } },
    },
  },
  {
    name: 'refresh',
    row: 'refresh, rotation, JWT ES256',
    task: {
      ...{ story: 'refresh', client: webClient, fields: {}, supply: 'refresh_token' },
      ...{ asked: asked.api, expects: { absent: ['id_token'] } },
    },
    target: 0.5,
  },
  {
    name: 'introspection',
    row: 'introspection of a JWT',
    task: introspection(asked.api),
    engine: introspection(asked.opaque),
    target: 1,
  },
  { name: 'introspection', row: 'introspection, opaque', task: introspection(asked.opaque) },
  {
    name: 'userinfo',
    row: 'userinfo',
    task: {
      ...{ story: 'userinfo', client: webClient, fields: {}, supply: 'access_token' },
      ...{ asked: asked.profile },
    },
  },
  { name: 'jwks', row: 'key set', task: plain('jwks'), target: 2 },
  { name: 'discovery', row: 'discovery', task: plain('discovery'), target: 2 },
  {
    name: 'sso-authorization',
    row: 'authorization, signed in',
    task: {
      ...{ story: 'sso-authorization', client: webClient, fields: asked.signIn },
      ...{ supply: 'cookies', yields: 'code' },
    },
  },
]
