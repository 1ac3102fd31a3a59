import type { Plan, StoryName } from '../load/plan.ts'
import type { ParameterSet, Role } from '../servers/scenario.ts'
import type { Supply } from '../servers/server.ts'

/** What a server is asked repeatedly. */
export interface Task extends Pick<Plan, 'expects' | 'yields'> {
  story: StoryName
  /** The client that sends the request; absent if none is needed. */
  client?: Role
  /** Parameters of the request itself. */
  with?: ParameterSet
  /** The kind of items that the story uses, if any, and the parameters with which they were requested. */
  supply?: Supply
  asked?: ParameterSet
}

/** A row of the table. */
export interface Case {
  /** `npm run bench -- <name>`; several rows may share it. */
  name: string
  row: string
  task: Task
  /**
   * What it is compared with: hashing alone, or another task of the bare engine; by default the same task of the
   * engine.
   */
  beside?: Task | 'hash'
  /** The lowest acceptable ratio. */
  target?: number
}

const credentials = (set: ParameterSet): Task => ({
  ...{ story: 'client-credentials', client: 'machine', with: set },
})
const introspection = (set: ParameterSet): Task => ({
  ...{ story: 'introspection', client: 'introspector', supply: 'access_token', asked: set },
})

export const cases: Case[] = [
  {
    ...{ name: 'client-credentials', row: 'client credentials, ES256' },
    ...{ task: credentials('orders'), target: 0.85 },
  },
  {
    ...{ name: 'client-credentials', row: 'client credentials, RS256' },
    ...{ task: credentials('reports') },
  },
  {
    ...{ name: 'code-exchange', row: 'code exchange, ID token RS256' },
    task: {
      ...{ story: 'code-exchange', client: 'web', supply: 'codes', asked: 'signIn' },
      expects: { present: ['id_token', 'refresh_token'] },
    },
  },
  {
    ...{ name: 'refresh', row: 'refresh, rotation, JWT ES256', target: 0.5 },
    task: {
      ...{ story: 'refresh', client: 'web', supply: 'refresh_token', asked: 'api' },
      expects: { absent: ['id_token'] },
    },
  },
  {
    ...{ name: 'introspection', row: 'introspection of a JWT', target: 1 },
    ...{ task: introspection('api'), beside: introspection('opaque') },
  },
  { name: 'introspection', row: 'introspection, opaque', task: introspection('opaque') },
  {
    ...{ name: 'userinfo', row: 'userinfo' },
    task: { story: 'userinfo', supply: 'access_token', asked: 'profile' },
  },
  { name: 'jwks', row: 'key set', task: { story: 'jwks' }, target: 2 },
  { name: 'discovery', row: 'discovery', task: { story: 'discovery' }, target: 2 },
  {
    ...{ name: 'sso-authorization', row: 'authorization, signed in' },
    task: { story: 'sso-authorization', client: 'web', with: 'signIn', supply: 'cookies' },
  },
  {
    ...{ name: 'password-login', row: 'password sign-in', beside: 'hash', target: 0.9 },
    task: { story: 'password-login', client: 'web', with: 'signIn', supply: 'people' },
  },
]
