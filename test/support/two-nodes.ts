import { loadConfig } from '../../config/load.ts'
import { type Core, openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'
import { freshStorage } from './boot.ts'
import { freePort } from './free-port.ts'
import { type NodeProcess, startNode } from './node-process.ts'
import { dump, secretsIn } from './witness.ts'

type Settings = Record<string, string | undefined>

/** A node, whatever process it is in. */
export type AnyNode = Pick<NodeProcess, 'url' | 'stdout' | 'stderr' | 'stop'>

/** A node in a process and a second node, on the same Postgres and Redis, behind one issuer. */
export interface NodePair {
  issuer: string
  a: NodeProcess
  b: AnyNode
  env: Record<string, string>
  /** The same storage, opened in this process. */
  core: Core
  /** The same address on one of the nodes. */
  on(node: Pick<NodeProcess, 'url'>, url: string | URL): URL
  stop(): Promise<void>
}

/** Two processes, each of which may die. */
export interface TwoNodes extends NodePair {
  b: NodeProcess
}

async function installation(settings: Settings) {
  const port = String(await freePort())
  const issuer = `http://localhost:${port}`
  const wanted = { ...(await freshStorage('services')), ...settings, ISSUER: issuer }
  const env = Object.fromEntries(
    Object.entries(wanted).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  return { port, issuer, env }
}

function on(node: Pick<NodeProcess, 'url'>, url: string | URL): URL {
  const there = new URL(url, node.url)
  there.host = new URL(node.url).host
  return there
}

/** @param settings in addition to those of the storage; `undefined` removes one */
export async function startTwoNodes(settings: Settings = {}): Promise<TwoNodes> {
  const { port, issuer, env } = await installation(settings)
  const core = await openCore(loadConfig(env), createLog({ level: 'silent' }), {
    schema: 'migrate',
  })
  const [a, b] = await Promise.all([startNode({ env: { ...env, PORT: port } }), startNode({ env })])
  return {
    ...{ issuer, a, b, env, core, on },
    async stop() {
      await Promise.all([a.stop(), b.stop()])
      await core.close()
    },
  }
}

/**
 * A node in this process, where its process does not matter: it starts at once.
 * @param env as for a process
 */
export async function startHere(env: Record<string, string>): Promise<AnyNode & { core: Core }> {
  const config = loadConfig(env)
  let logged = ''
  const destination = { write: (line: string) => void (logged += line) }
  const core = await openCore(config, createLog({ level: config.logLevel, destination }), {
    schema: 'migrate',
  })
  await core.firstStart()
  const server = await startServer(core)
  let ended: Promise<void> | undefined
  return {
    core,
    url: `http://localhost:${config.port}`,
    stdout: () => logged,
    stderr: () => '',
    stop() {
      ended ??= server.stop().then(() => core.close())
      return ended.then(() => ({ code: 0, signal: null }))
    },
  }
}

/** The same with this process as the second node (`startHere`), whose capabilities are `core`. */
export async function startNodeBeside(settings: Settings = {}): Promise<NodePair> {
  const { port, issuer, env } = await installation(settings)
  const [a, b] = await Promise.all([
    startNode({ env: { ...env, PORT: port } }),
    startHere({ ...env, PORT: String(await freePort()) }),
  ])
  return {
    ...{ issuer, a, b, env, core: b.core, on },
    async stop() {
      await Promise.all([a.stop(), b.stop()])
    },
  }
}

/** Stops both; fails if their stores or logs contain a secret that was used (architecture §5, C19). */
export async function stopWithoutTraces(nodes: NodePair): Promise<void> {
  const kept = await dump(nodes.core.database, nodes.env['REDIS_URL'])
  await nodes.stop()
  const logged = [nodes.a, nodes.b].map((node) => node.stdout() + node.stderr())
  const found = secretsIn([kept, ...logged].join(''))
  if (found.length > 0) throw new Error(`secrets stored or logged: ${found.join(', ')}`)
}
