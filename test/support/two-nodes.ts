import { loadConfig } from '../../config/load.ts'
import { type Core, openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { freshStorage } from './boot.ts'
import { freePort } from './free-port.ts'
import { type NodeProcess, startNode } from './node-process.ts'

/** Two processes on the same Postgres and Redis, behind one issuer. */
export interface TwoNodes {
  issuer: string
  a: NodeProcess
  b: NodeProcess
  env: Record<string, string>
  /** The same storage, opened in this process. */
  core: Core
  /** The same address on one of the nodes. */
  on(node: NodeProcess, url: string | URL): URL
  stop(): Promise<void>
}

/** @param settings on top of those of the storage; `undefined` takes one away */
export async function startTwoNodes(
  settings: Record<string, string | undefined> = {},
): Promise<TwoNodes> {
  const port = String(await freePort())
  const issuer = `http://localhost:${port}`
  const wanted = { ...(await freshStorage('services')), ...settings, ISSUER: issuer }
  const env = Object.fromEntries(
    Object.entries(wanted).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  const core = await openCore(loadConfig(env), createLog({ level: 'silent' }), {
    schema: 'migrate',
  })
  const [a, b] = await Promise.all([startNode({ env: { ...env, PORT: port } }), startNode({ env })])
  return {
    issuer,
    a,
    b,
    env,
    core,
    on(node, url) {
      const there = new URL(url, node.url)
      there.host = new URL(node.url).host
      return there
    },
    async stop() {
      await Promise.all([a.stop(), b.stop()])
      await core.close()
    },
  }
}
