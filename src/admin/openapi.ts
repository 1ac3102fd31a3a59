import { z } from 'zod'
import { present } from '../present.ts'
import { adminPath } from '../resources/admin-resource.ts'
import { scopeOf } from '../roles/role.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { jsonSchemaOf } from './schemas.ts'

export type Json = Record<string, unknown>

/** What is not plain from the name of a parameter. */
const described: Record<string, string> = {
  tenant: 'Id of the tenant, such as `default`',
  identifier: 'Identifier of the resource server, percent-encoded',
  'If-Match': 'ETag of the version that you have read, or `*` for any version',
  'Idempotency-Key':
    'A unique text of up to 255 characters; for a day, a repeated request with the same key gets the same response',
}

/** The OpenAPI 3.1 document of the routes. @param issuer the configured one */
export function openApiOf(routes: readonly Route[], issuer: string): Json {
  const components: Record<string, Json> = {}
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const operations = (paths[route.path] ??= {})
    operations[route.method.toLowerCase()] = operationOf(route, components)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keyturn admin API',
      version: 'v1',
      description: `Every route but this document requires an access token for the resource ${issuer + adminPath} with its scope.`,
    },
    servers: [{ url: issuer + adminPath }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        token: {
          type: 'oauth2',
          flows: { clientCredentials: { tokenUrl: `${issuer}/token`, scopes: scopesOf(routes) } },
        },
      },
    },
  }
}

function scopesOf(routes: readonly Route[]): Record<string, string> {
  const asked = routes.flatMap(({ permission }) => (permission === 'public' ? [] : [permission]))
  return Object.fromEntries([...new Set(asked)].map((each) => [scopeOf(each), each]))
}

function operationOf(route: Route, components: Record<string, Json>): Json {
  const { method, path, permission, summary, body, response } = route
  const problems = {
    description: 'Error',
    content: {
      'application/problem+json': { schema: jsonSchemaOf(problem, 'output', components) },
    },
  }
  const status = String(response ? (route.status ?? 200) : 204)
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/\W+/g, '_')}`,
    summary,
    tags: [tagOf(path)],
    ...(permission === 'public' ? {} : { security: [{ token: [scopeOf(permission)] }] }),
    parameters: parametersOf(route),
    ...(body
      ? {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: jsonSchemaOf(body, 'input', components) } },
          },
        }
      : {}),
    responses: {
      [status]: {
        description: 'Success',
        ...(response
          ? {
              content: {
                'application/json': { schema: jsonSchemaOf(response, 'output', components) },
              },
            }
          : {}),
      },
      default: problems,
    },
  }
}

/** The first part of the path that names a kind of object. */
function tagOf(path: string): string {
  const [first = '', , third] = path.split('/').filter(Boolean)
  return first === 'tenants' && third !== undefined ? third : first
}

function parametersOf({ method, path, query, current }: Route): Json[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    ...present({ description: described[name as string] }),
    schema: { type: 'string' },
  }))
  const { properties = {}, required = [] } = query
    ? (z.toJSONSchema(query, { io: 'input', unrepresentable: 'any' }) as {
        properties?: Record<string, Json>
        required?: string[]
      })
    : {}
  const inQuery = Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...present({ description }),
    schema,
  }))
  const header = (name: string, isRequired: boolean) => ({
    name,
    in: 'header',
    required: isRequired,
    ...present({ description: described[name] }),
    schema: { type: 'string' },
  })
  const inHeader = [
    ...(current && method !== 'GET' && method !== 'POST' ? [header('If-Match', true)] : []),
    ...(method === 'GET' ? [] : [header('Idempotency-Key', false)]),
  ]
  return [...inPath, ...inQuery, ...inHeader]
}
