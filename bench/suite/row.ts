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

/** What one contender did. */
export interface Side {
  name: string
  closed: Block
  /** At 60 % of what it did in the closed loop. */
  steady?: Point
  /** The same at other rates, from little to more than it can do. */
  curve?: Point[]
  trips?: RoundTrips
  /** How much cheaper it is than the last contender: processor time, or for hashing how many a second. */
  ratio?: number
  /** Beside hashing: the part that the hash has in the processor time of one answer. */
  hashing?: { ofServer: number; ofAll: number }
}

/** One case, measured. */
export interface Row {
  name: string
  row: string
  target?: number
  sides: Side[]
}

const steadyPart = 0.6
const curveParts = [0.1, 0.25, 0.4, 0.6, 0.75, 0.9, 1, 1.1, 1.25]
/** Milliseconds that a warm-up may take however slow a contender is. */
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
 * Contenders take turns, each time in the other order.
 * @param contenders the one to compare with is the last
 * @param settle has Postgres look at what the warm-up left, as it does by itself every minute: plans made for empty tables
 *   are dear, and last until then
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

/** In the processor time of the server, and of all that had to share the cores: its stores and the load, too. */
function hashingIn({ processor = 0, stores, load, rate }: Block, hash: Block) {
  const { processor: alone = 0 } = hash
  return {
    ofServer: alone / processor,
    ofAll: alone / (processor + stores + (load * 1e6) / rate),
  }
}
