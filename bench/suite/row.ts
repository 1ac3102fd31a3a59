import type { ClosedLoop, OpenLoop } from '../load/plan.ts'
import { type Block, medianOf } from './block.ts'
import type { Case } from './cases.ts'
import type { Contender } from './contender.ts'
import type { RoundTrips } from './count.ts'
import type { Options } from './options.ts'

/** A block at a steady rate, in requests per second. */
export interface Point {
  offered: number
  block: Block
}

/** The results of one contender. */
export interface Side {
  name: string
  closed: Block
  /** At 60 % of the rate of the closed loop. */
  steady?: Point
  /** The same at other rates, from low to above capacity. */
  curve?: Point[]
  trips?: RoundTrips
  /** Compared with the last contender: its processor time ÷ that of this one, or for hashing the ratio of the rates. */
  ratio?: number
  /** Compared with hashing: the share of the hash in the processor time of one response. */
  hashing?: { ofServer: number; ofAll: number }
}

/** The results of one case. */
export interface Row {
  name: string
  row: string
  target?: number
  sides: Side[]
}

const steadyPart = 0.6
const curveParts = [0.1, 0.25, 0.4, 0.6, 0.75, 0.9, 1, 1.1, 1.25]
/** Maximum duration of a warm-up, in milliseconds. */
const longestWarmUp = 6000

async function warmUp(contender: Contender, loop: ClosedLoop, wanted: number): Promise<void> {
  const began = performance.now()
  let answered = 0
  while (answered < wanted && performance.now() - began < longestWarmUp) {
    const { rate } = await contender.block(loop)
    answered += Math.max(1, (rate * loop.milliseconds) / 1000)
  }
}

/**
 * Contenders take turns, in reversed order each time.
 * @param contenders the last one is the reference
 * @param settle runs ANALYZE after the warm-up, which Postgres does by itself every minute; until then it uses
 *   expensive plans made for empty tables
 */
export async function measureRow(
  { name, row, target, beside }: Case,
  contenders: Contender[],
  { blocks, length, connections, plot, ...options }: Options,
  settle: () => Promise<void>,
): Promise<Row> {
  const loop: ClosedLoop = { kind: 'closed', connections, milliseconds: length }
  for (const contender of contenders) {
    await warmUp(contender, loop, contender.isServer ? options.warmUp : 1)
  }
  await settle()
  const measured = contenders.map((contender) => ({ contender, blocks: [] as Block[] }))
  for (let i = 0; i < blocks; i++) {
    for (const { contender, blocks: into } of i % 2 ? measured.toReversed() : measured) {
      into.push(await contender.block(loop))
    }
  }
  const sides = measured.map(({ contender, blocks: of }) => {
    const side: Side = { name: contender.name, closed: medianOf(of) }
    return { contender, side }
  })
  const points = async ({ contender, side }: (typeof sides)[number], parts: number[]) => {
    const found: Point[] = []
    for (const part of parts) {
      const offered = Math.max(1, Math.round(side.closed.rate * part))
      const open: OpenLoop = { kind: 'open', rate: offered, milliseconds: length, connections: 64 }
      found.push({ offered, block: await contender.block(open) })
    }
    return found
  }
  const last = sides.at(-1)?.side
  for (const each of sides) {
    const { contender, side } = each
    if (contender.isServer) {
      const [steady] = await points(each, [steadyPart])
      if (steady) side.steady = steady
      if (plot !== undefined) side.curve = await points(each, curveParts)
    }
    if (last === undefined || side === last) continue
    const ratio = compared(side.closed, last.closed, beside === 'hash')
    if (ratio !== undefined) side.ratio = ratio
    if (beside === 'hash') side.hashing = hashingIn(side.closed, last.closed)
  }
  return {
    ...{ name, row, sides: sides.map(({ side }) => side) },
    ...(target === undefined ? {} : { target }),
  }
}

function compared(one: Block, other: Block, byRate: boolean): number | undefined {
  if (byRate) return one.rate / other.rate
  return one.processor && other.processor ? other.processor / one.processor : undefined
}

/**
 * The share of the hash in the processor time of the server, and of everything on the same cores: also stores and load.
 */
function hashingIn({ processor = 0, stores, load, rate }: Block, hash: Block) {
  const { processor: alone = 0 } = hash
  return {
    ofServer: alone / processor,
    ofAll: alone / (processor + stores + (load * 1e6) / rate),
  }
}
