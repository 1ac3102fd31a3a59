import { adminBootstrap } from '../../src/cli/admin-bootstrap.ts'
import { sweepExpired } from '../../src/retention.ts'
import { ask } from '../../test/support/admin.ts'
import type { TestServer } from '../../test/support/boot.ts'
import { openNode } from '../../test/support/cores.ts'
import { runCommand } from '../../test/support/node-process.ts'
import { percentile } from '../load/percentile.ts'
import type { Server } from '../servers/server.ts'

/** First pages of the admin API. */
const lists = ['accounts', 'clients', 'sessions', 'grants', 'families', 'audit', 'statistics']
const times = 10

/** Occasional requests: milliseconds each, by name. Lists are requested ten times, for the median. */
export async function measureOnce(
  server: Server,
  env: Record<string, string>,
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const time = async (work: () => Promise<unknown>) => {
    const began = performance.now()
    await work()
    return performance.now() - began
  }
  const often = async (name: string, work: () => Promise<unknown>) => {
    const all: number[] = []
    for (let i = 0; i < times; i++) all.push(await time(work))
    found.set(name, percentile(all, 0.5))
  }
  const { issuer } = server.endpoints
  const core = await openNode(env)
  const { client_id, client_secret } = await adminBootstrap.execute(core, {})
  const basic = Buffer.from(`${client_id}:${client_secret}`).toString('base64')
  const answer = await fetch(server.endpoints.token, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      resource: `${issuer}/admin/v1`,
    }),
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  const asked = { issuer, core } as unknown as TestServer

  await often('/readyz', async () => (await fetch(`${issuer}/readyz`)).text())
  for (const name of lists) {
    await often(`admin: ${name}`, async () => {
      const page = await ask(asked, 'GET', `/tenants/default/${name}`, { token })
      if (page.status !== 200) throw new Error(`${name}: ${page.body}`)
    })
  }
  found.set('sweep', await time(() => sweepExpired(core)))
  await core.close()
  // With embedded storage the running server would execute the command.
  if (env['DATABASE_URL'] !== undefined) {
    found.set('accounts list', await time(() => runCommand(['accounts', 'list'], env)))
  }
  return found
}
