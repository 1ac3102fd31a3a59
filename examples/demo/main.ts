/** `npm run demo`: starts Keyturn and the four examples, prints what to do, and stops everything on Ctrl-C. */
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { declaration } from './declare.ts'
import { keepSecrets, writeEnvironments } from './keep.ts'
import { at, environments, type Part, type Places, readPlaces } from './parts.ts'
import { assertFree } from './ports.ts'
import { type Program, runProgram, startProgram, untilReady } from './programs.ts'
import { walkThrough } from './walk-through.ts'

type Kept = Awaited<ReturnType<typeof keepSecrets>>

const root = fileURLToPath(new URL('../..', import.meta.url))
const programs: Program[] = []

const { promise: toldToStop, resolve: stop } = Promise.withResolvers<'stop'>()
let stopping: number | undefined
/**
 * Milliseconds in which a second signal is ignored: under npm, Ctrl-C arrives twice, from the terminal and from npm.
 */
const echo = 300
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stopping !== undefined && performance.now() - stopping > echo) process.exit(1)
    stopping ??= performance.now()
    stop('stop')
  })
}

/** Starts a program, unless Ctrl-C was pressed. */
function begin(...args: Parameters<typeof startProgram>): Program {
  if (stopping !== undefined) throw new Error('stopped during startup')
  const program = startProgram(...args)
  programs.push(program)
  return program
}

/** Keyturn's log goes to a file; its messages for operators are discarded, as the demo has none. */
function startKeyturn({ folder }: Places, env: Record<string, string>): Program {
  const log = createWriteStream(join(folder, 'keyturn.log'), { mode: 0o600 })
  return begin({
    name: 'Keyturn',
    root,
    args: ['src/main.ts', 'serve'],
    env,
    onLine: (line) => {
      if (line.startsWith('{')) log.write(`${line}\n`)
    },
  })
}

function startExample(name: Part, { folder }: Places): Program {
  return begin({
    name,
    root,
    args: [`--env-file=${join(folder, `${name}.env`)}`, `examples/${name}/main.ts`],
    onLine: (line) => {
      // Each prints where it listens; the walk-through says so better.
      if (!line.startsWith(`${name}: listens`)) console.error(line)
    },
  })
}

/** Declares clients, API and user through the socket of the running server. @returns the output of `apply` */
async function declare(places: Places, secrets: Kept) {
  const env = {
    DATA_DIR: places.folder,
    KEYS_DIR: places.folder,
    PORT: String(places.ports.keyturn),
    WEB_APP_SECRET: secrets.webApp,
    BROWSER_APP_SECRET: secrets.browserApp,
    API_SECRET: secrets.api,
  }
  const file = await declaration(places, secrets.machine)
  return runProgram({ name: 'apply', root, args: ['src/main.ts', 'apply', '-'], env }, file)
}

async function start(places: Places): Promise<void> {
  await assertFree(places)
  const secrets = await keepSecrets(places)
  console.log('Starting Keyturn …')
  const keyturn = startKeyturn(places, environments(places, secrets).keyturn)
  await untilReady(keyturn, `${at(places.ports.keyturn)}/readyz`)
  const [said] = (await declare(places, secrets)).split('\n').slice(-1)
  console.log(`Declared examples/demo.yaml: ${said}`)
  // Only now is the folder known to be ours: Keyturn has locked it.
  await writeEnvironments(places, secrets)

  await Promise.all(
    started(places).map((name) =>
      untilReady(startExample(name, places), `${at(places.ports[name])}/healthz`),
    ),
  )
  const report = places.without.includes('api')
    ? 'Start the API, then the machine:'
    : await runProgram({
        name: 'machine',
        root,
        args: [`--env-file=${join(places.folder, 'machine.env')}`, 'examples/machine/main.ts'],
      })
  console.log(walkThrough(places, root, report))
}

function started({ without }: Places) {
  return (['api', 'web-app', 'browser-app'] as const).filter((name) => !without.includes(name))
}

/** @throws Error when a program ends unexpectedly */
async function untilStopped(): Promise<void> {
  const first = await Promise.race([
    toldToStop,
    ...programs.map((program) => program.ended.then(() => program)),
  ])
  if (first !== 'stop') throw new Error(`${first.name} ended. Its output:\n${first.lastLines()}`)
}

try {
  await Promise.race([start(readPlaces(process.env, process.argv.slice(2), root)), toldToStop])
  await untilStopped()
} catch (error) {
  console.error(`\ndemo: ${(error as Error).message}`)
  process.exitCode = 1
} finally {
  if (programs.length > 0) console.log('Stopping …')
  // Callers stop before the server that they call.
  const [keyturn, ...examples] = programs
  await Promise.all(examples.map((program) => program.stop()))
  await keyturn?.stop()
  if (programs.length > 0) console.log('Stopped.')
}
process.exit()
