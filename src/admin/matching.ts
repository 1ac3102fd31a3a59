import { DomainError } from '../errors.ts'
import type { Route } from './route.ts'

export interface Match {
  route: Route
  params: Record<string, string>
}

/** Finds the route of a path and method; the table is checked when it is created. */
export function createMatching(routes: readonly Route[]) {
  const seen = new Set<string>()
  const rows = routes.map((route) => {
    const shape = `${route.method} ${route.path.replaceAll(/\{\w+\}/g, '{}')}`
    if (seen.has(shape)) throw new Error(`route ${shape} is declared twice`)
    seen.add(shape)
    const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
    const pattern = route.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '([^/]+)')
    return { route, names, pattern: new RegExp(`^${pattern}$`) }
  })

  /**
   * @param path below `/admin/v1`, as received
   * @throws DomainError `not_found`; `method_not_allowed` with the allowed methods in `detail.expected`
   */
  return (method: string, path: string): Match => {
    const fitting = rows.flatMap(({ route, names, pattern }) => {
      const parts = pattern.exec(path)?.slice(1)
      return parts ? [{ route, names, parts }] : []
    })
    if (fitting.length === 0) throw new DomainError('not_found')
    const wanted = method === 'HEAD' ? 'GET' : method
    const found = fitting.find(({ route }) => route.method === wanted)
    if (!found) {
      const allowed = fitting.map(({ route }) => route.method)
      throw new DomainError('method_not_allowed', {
        detail: { expected: allowed.join(', '), came: method },
      })
    }
    const params = found.names.map((name, i) => [name, decoded(found.parts[i] ?? '')])
    return { route: found.route, params: Object.fromEntries(params) as Record<string, string> }
  }
}

/** @throws DomainError `not_found` when it cannot be decoded */
function decoded(segment: string): string {
  try {
    const text = decodeURIComponent(segment)
    if (!text.includes('\0')) return text
  } catch {
    // Not a URI component.
  }
  throw new DomainError('not_found')
}
