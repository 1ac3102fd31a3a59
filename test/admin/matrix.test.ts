import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { Route } from '../../src/admin/route.ts'
import { routes } from '../../src/admin/routes.ts'
import { adminRoles, permissions, scopeOf } from '../../src/roles/role.ts'
import { ask, machineWith, tokenOf } from '../support/admin.ts'
import { type AdminObjects, addressOf, bodies, objectsIn } from '../support/admin-objects.ts'
import { furnish, machine } from '../support/fixtures.ts'
import { bootedWithMail } from '../support/mailbox.ts'
import { post, tokensIn } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { remember } from '../support/witness.ts'

const nameOf = ({ method, path }: Route) => `${method} ${path}`
const own = 'acme'
const foreign = 'other'

/** As documented: permission → roles. */
const documented = new Map(
  [
    ...readFileSync(new URL('../../docs/admin-api.md', import.meta.url), 'utf8').matchAll(
      /^\| `(\w+:\w+)` \| (.*) \|$/gm,
    ),
  ].map(([, permission = '', cells = '']) => [
    permission,
    adminRoles.filter((_, i) => cells.split('|')[i]?.trim() === 'yes'),
  ]),
)

/** A caller; `role` and `reach` are absent without a role. */
interface Caller {
  name: string
  token: string | undefined
  refused?: string
  role?: (typeof adminRoles)[number]
  reach?: string
}

/** The response that docs/admin-api.md documents for a caller and a route; `in` if permitted. */
function outcomeOf({ refused, role, reach }: Caller, route: Route, tenant: string): string {
  if (route.permission === 'public') return 'in'
  if (refused) return refused
  const isPermitted = role !== undefined && documented.get(route.permission)?.includes(role)
  const ofTenant = route.path.includes('{tenant}')
  const isReached = reach === '*' || (ofTenant ? reach === tenant : route.anywhere)
  if (ofTenant && !isReached) return '404 not_found'
  return isPermitted && isReached ? 'in' : '403 permission_denied'
}

describe('the admin API, by caller, route and object', () => {
  after(backToPresent)
  const { server } = bootedWithMail({}, furnish)
  let owner: string
  const objects: Record<string, AdminObjects> = {}

  before(async () => {
    const { core } = server
    for (const id of [own, foreign]) {
      await core.tenants.declare({ id, name: id })
      await core.signing.ensure(id, ['ES256', 'RS256'])
      await core.tenants.declareSignUp(id, { mode: 'invitation', domains: [] })
      objects[id] = await objectsIn(core, id)
    }
    owner = await tokenOf(server, await machineWith(server, 'owner'))
  })

  /** Calls a route with an unknown parameter, so that a permitted request fails validation and changes nothing. */
  async function tryRoute(
    route: Route,
    token: string | undefined,
    tenant: string,
  ): Promise<string> {
    const address = addressOf(route.path, objects[tenant] ?? {})
    const page = await ask(server, route.method, `${address}?knock=1`, { token })
    if (route.permission === 'public') return page.status === 200 ? 'in' : String(page.status)
    const { code, errors } = page.json() as { code: string; errors?: string[] }
    const isIn = code === 'request_invalid' && /knock|query/.test(String(errors))
    return isIn ? 'in' : `${page.status} ${code}`
  }

  async function callers(): Promise<Caller[]> {
    const { core } = server
    const token = async (role?: Caller['role'], reach?: string) =>
      tokenOf(server, await machineWith(server, role, reach))
    const audience = await post(server, '/token', machine, { grant_type: 'client_credentials' })
    const revoked = await machineWith(server, 'owner')
    const revokedToken = await tokenOf(server, revoked)
    await post(server, '/revoke', revoked, { token: revokedToken })
    const disabled = await machineWith(server, 'owner')
    const disabledToken = await tokenOf(server, disabled)
    await core.revocations.setClientDisabled('default', disabled.client_id, true)
    await furnish(server, foreign)
    const elsewhere = await post(
      { ...server, issuer: `${server.issuer}/t/${foreign}` },
      '/token',
      machine,
      { grant_type: 'client_credentials' },
    )
    const invalid = '401 token_invalid'
    return [
      { name: 'nobody', token: undefined, refused: '401 token_missing' },
      { name: 'no token at all', token: 'nonsense', refused: invalid },
      { name: 'another audience', token: tokensIn(audience).access_token, refused: invalid },
      { name: 'another tenant', token: tokensIn(elsewhere).access_token, refused: invalid },
      { name: 'a revoked token', token: revokedToken, refused: invalid },
      { name: 'a disabled client', token: disabledToken, refused: invalid },
      { name: 'no role', token: await token() },
      ...(await Promise.all(
        adminRoles.flatMap((role) =>
          ['*', own].map(async (reach) => ({
            name: `${role} of ${reach}`,
            token: await token(role, reach),
            role,
            reach,
          })),
        ),
      )),
    ]
  }

  it('has the declared outcome in every cell (C21, ASVS 8.2.1, 9.2.3, 10.3.1)', async () => {
    expect([...documented.keys()]).to.have.members(permissions)
    const wrong: string[] = []
    let cells = 0
    for (const caller of await callers()) {
      for (const route of routes) {
        for (const tenant of route.path.includes('{tenant}') ? [own, foreign] : [own]) {
          cells++
          const expected = outcomeOf(caller, route, tenant)
          const came = await tryRoute(route, caller.token, tenant)
          if (came !== expected) {
            wrong.push(`${caller.name}, ${nameOf(route)}, ${tenant}: ${came}, not ${expected}`)
          }
        }
      }
    }
    expect(wrong).to.deep.equal([])
    expect(cells).to.be.above(1000)
  })

  it('requires the scope of each route, whatever the role', async () => {
    const client = await machineWith(server, 'owner')
    for (const route of routes.filter(({ permission }) => permission !== 'public')) {
      const others = permissions.filter((each) => each !== route.permission).map(scopeOf)
      const token = await tokenOf(server, client, others.join(' '))
      expect(await tryRoute(route, token, own), nameOf(route)).to.equal('403 scope_insufficient')
    }
  })

  it('neither finds nor changes anything in another tenant (C21, C22, ASVS 8.2.2)', async () => {
    const { database } = server.core
    const count = async () => (await database.query('select 1 from audit_events')).length
    for (const route of routes) {
      const [, name] = /\{tenant\}.*\{(\w+)\}/.exec(route.path) ?? []
      if (name === undefined) continue
      const crossed = { ...objects[own], [name]: objects[foreign]?.[name] ?? '' }
      const before = await count()
      const page = await ask(server, route.method, addressOf(route.path, crossed), {
        token: owner,
        body: bodies[nameOf(route)]?.(crossed),
        headers: { 'if-match': '*' },
      })
      expect(page.status, `${nameOf(route)}: ${page.body}`).to.equal(404)
      expect(await count(), `${nameOf(route)} left an event`).to.equal(before)
    }
  })

  /** A read leaves no event; a write leaves at least one, all by the caller, and only one for each change. */
  async function expectEvents(route: Route, requestId: string): Promise<void> {
    const events = await server.core.database.query<{ type: string; actor: string | null }>(
      `select type, actor_kind || ' ' || actor_role as actor from audit_events where request_id = $1`,
      [requestId],
    )
    const types = events.map(({ type }) => type)
    if (route.method === 'GET') return void expect(types, nameOf(route)).to.deep.equal([])
    expect(types, nameOf(route)).not.to.be.empty
    expect(new Set(events.map(({ actor }) => actor)), nameOf(route)).to.have.all.keys(
      'client owner',
    )
    if (types.length > 1) expect(types, nameOf(route)).not.to.include('admin.changed')
  }

  it('behaves as each route describes, with responses that match its schema', async () => {
    for (const route of routes.filter(({ permission }) => permission !== 'public')) {
      const mine = route.method === 'GET' ? objects[own] : await objectsIn(server.core, own)
      const page = await ask(server, route.method, addressOf(route.path, mine ?? {}), {
        token: owner,
        body: route.body && bodies[nameOf(route)]?.(mine ?? {}),
        headers: { 'if-match': '*' },
      })
      const expected = route.response ? (route.status ?? 200) : 204
      expect(page.status, `${nameOf(route)}: ${page.body}`).to.equal(expected)
      await expectEvents(route, page.headers.get('request-id') as string)
      if (!route.response) {
        expect(page.body).to.equal('')
        continue
      }
      const body = page.json() as Record<string, unknown>
      for (const secret of ['client_secret', 'one_time_password', 'initial_access_token']) {
        if (typeof body[secret] === 'string') remember(body[secret])
      }
      const parsed = route.response.safeParse(body)
      expect(parsed.error?.issues, nameOf(route)).to.equal(undefined)
      expect(page.headers.has('etag'), nameOf(route)).to.equal(route.current !== undefined)
    }
  })

  it('refuses an expired token, and a revoked role immediately (ASVS 8.3.2)', async () => {
    const client = await machineWith(server, 'owner')
    const token = await tokenOf(server, client)
    expect((await ask(server, 'GET', '/tenants', { token })).status).to.equal(200)
    const [assignment] = await server.core.roles.of({ clientId: client.client_id })
    await server.core.roles.revoke(assignment?.id ?? '')
    expect((await ask(server, 'GET', '/tenants', { token })).status).to.equal(403)
    travel(601)
    for (const route of routes) {
      const expected = route.permission === 'public' ? 'in' : '401 token_invalid'
      expect(await tryRoute(route, owner, own), nameOf(route)).to.equal(expected)
    }
  })
})
