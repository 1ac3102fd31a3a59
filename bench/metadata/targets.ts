import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freshStorage } from '../../test/support/boot.ts'
import { startChild } from '../../test/support/child.ts'
import { openNode } from '../../test/support/cores.ts'
import { eventually } from '../../test/support/eventually.ts'
import { furnish } from '../../test/support/fixtures.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startNode } from '../../test/support/node-process.ts'
import { servicesFound } from '../../test/support/root-hooks.ts'

/** A server that is measured, in a process of its own. */
export interface Target {
  name: string
  url: string
  pid: number
  stop(): Promise<unknown>
}

const kind = servicesFound() ? 'services' : 'embedded'

export async function startProduct(): Promise<Target> {
  const env = { ...(await freshStorage(kind)), LOG_LEVEL: 'info' }
  const core = await openNode(env)
  await core.firstStart()
  await furnish({ core })
  await core.close()
  const node = await startNode({ env })
  return { name: 'keyturn', url: node.url, pid: node.pid, stop: () => node.stop() }
}

export async function startEngineAlone(): Promise<Target> {
  const PORT = String(await freePort())
  const program = fileURLToPath(new URL('engine.ts', import.meta.url))
  const env = { ...(await freshStorage(kind)), PORT }
  const core = await openNode(env)
  await core.firstStart()
  await core.close()
  const child = await startChild(process.execPath, [program], { env })
  const url = `http://localhost:${PORT}`
  await eventually(
    `the engine answers: ${child.stderr()}`,
    async () => (await fetch(`${url}/jwks`)).ok,
  )
  return { name: 'the engine alone', url, pid: child.pid, stop: () => child.stop() }
}

/** Seconds of processor time that a process has used (proc(5): fields 14 and 15, in ticks of 10 ms). */
export function processorTime(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
