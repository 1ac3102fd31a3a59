import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { type Child, startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { compiledModules } from '../support/node-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const node = join(root, 'node_modules/.bin/node')

/** `npm run demo` as a process. */
export interface Demo {
  child: Child
  issuer: string
  webApp: string
  browserApp: string
  api: string
  folder: string
  /** The environment of one of its programs. */
  envOf(name: string): Promise<Record<string, string>>
}

/** Runs one example on its own, as a developer does. */
export function runExample(args: string[]): Promise<Child> {
  return startChild(node, args, {
    cwd: root,
    env: { PATH: process.env['PATH'], ...compiledModules },
  })
}

/** Free ports, as environment variables of the demo. */
export async function freePorts(): Promise<Record<string, string>> {
  const names = ['KEYTURN_PORT', 'WEB_APP_PORT', 'BROWSER_APP_PORT', 'API_PORT']
  const ports = new Set<number>()
  while (ports.size < names.length) ports.add(await freePort())
  return Object.fromEntries([...ports].map((port, i) => [names[i] ?? '', String(port)]))
}

export function launchDemo(
  folder: string,
  ports: Record<string, string>,
  args: string[] = [],
): Promise<Child> {
  const inherited = ['PATH', 'HOME'].map((name) => [name, process.env[name]])
  const env = { ...Object.fromEntries(inherited), ...compiledModules, ...ports, DEMO_DIR: folder }
  return startChild(node, ['examples/demo/main.ts', ...args], { cwd: root, env })
}

/** Starts the demo and waits for its walk-through. */
export async function startDemo(
  folder: string,
  ports: Record<string, string>,
  args: string[] = [],
): Promise<Demo> {
  const child = await launchDemo(folder, ports, args)
  const outcome = await eventually(
    'the demo prints its walk-through',
    () =>
      child.stdout().includes('Press Ctrl-C to stop everything.') ||
      (child.ended() !== undefined && 'ended'),
    { within: 110_000 },
  )
  if (outcome === 'ended') throw new Error(`the demo ended:\n${child.stdout()}\n${child.stderr()}`)
  const at = (name: string) => `http://localhost:${ports[name]}`
  return {
    child,
    issuer: at('KEYTURN_PORT'),
    webApp: at('WEB_APP_PORT'),
    browserApp: at('BROWSER_APP_PORT'),
    api: at('API_PORT'),
    folder,
    envOf: async (name) =>
      parseEnv(await readFile(join(folder, `${name}.env`), 'utf8')) as Record<string, string>,
  }
}

/** Whether a server listens on the port. */
export function answers(port: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
