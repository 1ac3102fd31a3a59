import { Writable } from 'node:stream'
import { expect } from 'chai'
import type { Clock } from '../../src/clock.ts'
import { type Core, openCore } from '../../src/core.ts'
import { DomainError, type DomainErrorCode } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import type { SchemaPolicy } from '../../src/storage/storage.ts'
import { configFrom, freshStorage, type StorageKind } from './boot.ts'
import { travellingClock } from './time-travel.ts'

const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
export const silentLog = createLog({ level: 'fatal', destination: nowhere })

/** All capabilities over a storage, without HTTP. @param env as `freshStorage` returns it */
export async function openNode(
  env: Record<string, string>,
  schema: SchemaPolicy = 'migrate',
  clock: Clock = travellingClock(),
): Promise<Core> {
  const core = await openCore(configFrom(env), silentLog, { schema, clock })
  await core.denials.start()
  await core.changes.start()
  core.signing.start()
  return core
}

/** Two nodes on one fresh storage; the same one twice where the storage allows only one. */
export interface Nodes {
  a: Core
  b: Core
  env: Record<string, string>
  close(): Promise<void>
}

export async function openNodes(
  kind: StorageKind,
  settings: Record<string, string> = {},
): Promise<Nodes> {
  const env = { ...(await freshStorage(kind)), ...settings }
  const a = await openNode(env)
  const b = kind === 'embedded' ? a : await openNode(env)
  return {
    a,
    b,
    env,
    async close() {
      await a.close()
      if (b !== a) await b.close()
    },
  }
}

/** The nodes of a suite: opened before its tests, closed after them. Their members are there by then. */
export function openedNodes(kind: StorageKind, settings: Record<string, string> = {}): Nodes {
  const nodes: Partial<Nodes> = {}
  before(async () => void Object.assign(nodes, await openNodes(kind, settings)))
  after(() => nodes.close?.())
  return nodes as Nodes
}

/** Like `openedNodes`, with a single node. */
export function openedCore(kind: StorageKind, settings: Record<string, string> = {}): Core {
  const core: Partial<Core> = {}
  before(async () => {
    Object.assign(core, await openNode({ ...(await freshStorage(kind)), ...settings }))
  })
  after(() => core.close?.())
  return core as Core
}

/** The error that some work throws. */
export async function refusalOf(
  work: Promise<unknown>,
  code?: DomainErrorCode,
): Promise<DomainError> {
  const error = await errorOf(work)
  expect(error).to.be.instanceOf(DomainError)
  if (code) expect((error as DomainError).code).to.equal(code)
  return error as DomainError
}

export async function errorOf(work: Promise<unknown>): Promise<Error> {
  const outcome = await work.then(
    () => undefined,
    (error: Error) => error,
  )
  if (!outcome) throw new Error('expected a failure')
  return outcome
}

/** Runs work on both nodes concurrently and counts the answers. */
export async function raceOver(
  { a, b }: Pick<Nodes, 'a' | 'b'>,
  count: number,
  work: (node: Core, i: number) => Promise<unknown>,
): Promise<Record<string, number>> {
  const answers = await Promise.all(Array.from({ length: count }, (_, i) => work(i % 2 ? a : b, i)))
  const tally: Record<string, number> = {}
  for (const answer of answers) tally[String(answer)] = (tally[String(answer)] ?? 0) + 1
  return tally
}
