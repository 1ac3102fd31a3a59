import { expect } from 'chai'
import { createMatching } from '../../src/admin/matching.ts'
import { openApiOf } from '../../src/admin/openapi.ts'
import { route } from '../../src/admin/route.ts'
import { routes } from '../../src/admin/routes.ts'

interface Operation {
  security?: Array<{ token: string[] }>
  parameters: Array<{ name: string; in: string }>
  responses: Record<string, unknown>
}

describe('the OpenAPI document of the admin API', () => {
  const document = openApiOf(routes, 'https://id.example.com') as {
    openapi: string
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, unknown> }
  }
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  )

  it('contains every route and no others', () => {
    expect(operations.map(({ name }) => name)).to.have.members(
      routes.map(({ method, path }) => `${method} ${path}`),
    )
  })

  it('describes the requirements of each route: scope, path, query, preconditions', () => {
    for (const { method, path, permission, query, current } of routes) {
      const operation = document.paths[path]?.[method.toLowerCase()] as Operation
      const name = `${method} ${path}`
      const scopes = operation.security?.flatMap(({ token }) => token) ?? []
      expect(scopes, name).to.deep.equal(permission === 'public' ? [] : [`admin:${permission}`])
      const names = (place: string) =>
        operation.parameters.filter((each) => each.in === place).map((each) => each.name)
      expect(names('path'), name).to.deep.equal(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, each]) => each),
      )
      const asked = query as { shape?: object } | undefined
      expect(names('query'), name).to.deep.equal(Object.keys(asked?.shape ?? {}))
      expect(names('header').includes('If-Match'), name).to.equal(
        current !== undefined && !['GET', 'POST'].includes(method),
      )
    }
  })

  it('refers only to schemas that it contains', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)]
    expect(references).not.to.deep.equal([])
    for (const [, reference = ''] of references) {
      const name = reference.replace('#/components/schemas/', '')
      expect(document.components.schemas, reference).to.have.property(name)
    }
  })
})

describe('the routes of the admin API', () => {
  const spec = { method: 'GET', path: '/things', summary: 'x', handle: async () => ({}) } as const

  it('fail at startup without a permission (ASVS 8.1.1, C21)', () => {
    expect(() => route({ ...spec } as never)).to.throw('declares no permission')
    expect(() => route({ ...spec, permission: 'things:read' } as never)).to.throw('no permission')
  })

  it('must declare the object of If-Match if they change something', () => {
    const change = { ...spec, method: 'PUT', permission: 'clients:write' } as const
    expect(() => route(change)).to.throw('If-Match')
  })

  it('must be unique', () => {
    const one = route({ ...spec, path: '/things/{id}', permission: 'clients:read' })
    const other = route({ ...spec, path: '/things/{name}', permission: 'clients:read' })
    expect(() => createMatching([one, other])).to.throw('twice')
  })
})
