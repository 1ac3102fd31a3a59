import { loadConfig } from '../../config/load.ts'
import { type Core, openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'
import { freshStorage } from './boot.ts'
import { freePort } from './free-port.ts'
import { type NodeProcess, startNode } from './node-process.ts'

type Settings = Record<string, string | undefined>

/** A process and another node on the same Postgres and Redis, behind one issuer. */
export interface NodePair {
  issuer: string
  a: NodeProcess
  b: Pick<NodeProcess, 'url' | 'stdout' | 'stderr'>
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

/** @param settings on top of those of the storage; `undefined` takes one away */
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
 * The same with this process as the second node, where neither its death nor what else a process has of its own is what
 * is tested: it starts in no time. What `core` does, that node has done.
 */
export async function startNodeBeside(settings: Settings = {}): Promise<NodePair> {
  const { port, issuer, env } = await installation(settings)
  const config = loadConfig({ ...env, PORT: String(await freePort()) })
  let logged = ''
  const destination = { write: (line: string) => void (logged += line) }
  const core = await openCore(config, createLog({ level: config.logLevel, destination }), {
    schema: 'migrate',
  })
  const [a, server] = await Promise.all([
    startNode({ env: { ...env, PORT: port } }),
    core.firstStart().then(() => startServer(core)),
  ])
  return {
    ...{ issuer, a, env, core, on },
    b: { url: `http://localhost:${config.port}`, stdout: () => logged, stderr: () => '' },
    async stop() {
      await Promise.all([a.stop(), server.stop()])
      await core.close()
    },
  }
}
