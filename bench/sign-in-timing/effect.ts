import { percentile } from '../load/percentile.ts'

/** Beyond it two lists are told apart; 0.147 is where the literature ends "negligible". */
const most = 0.15

/** Cliff's delta of two lists: 0 when neither tends to be longer, 1 or -1 when one always is. */
function delta(one: number[], other: number[]): number {
  let more = 0
  for (const a of one) for (const b of other) more += Math.sign(a - b)
  return more / (one.length * other.length)
}

/** What so many of each differ by from chance alone, in 19 cases of 20. */
const byChance = (samples: number) => 1.96 * Math.sqrt((2 * samples + 1) / (3 * samples ** 2))

function verdict(effect: number, samples: number): string {
  if (effect < most) return 'pass'
  return effect < byChance(samples) ? 'maybe chance: ask for more samples' : 'FAIL'
}

/** Prints what each took, in milliseconds, against the first. */
export function printEffects(title: string, took: Map<string, number[]>): void {
  const [first] = took
  if (!first) return
  const [name, reference] = first
  const samples = reference.length
  console.log(
    `\n${title}, ${samples} of each, interleaved; delta to ${name} (± ${byChance(samples).toFixed(2)} by chance)`,
  )
  for (const [kind, list] of took) {
    const effect = delta(list, reference)
    console.log(
      `  ${kind.padEnd(20)} p50 ${percentile(list, 0.5).toFixed(1).padStart(6)} ms   ` +
        `p99 ${percentile(list, 0.99).toFixed(1).padStart(6)} ms   ` +
        `delta ${effect.toFixed(3).padStart(6)}   ${verdict(Math.abs(effect), samples)}`,
    )
  }
}

/** Asks for each kind in turn, each round in another order, so that what runs beside meets all alike. */
export async function interleaved(
  kinds: readonly string[],
  samples: number,
  ask: (kind: string, i: number) => Promise<number>,
): Promise<Map<string, number[]>> {
  const took = new Map<string, number[]>(kinds.map((kind) => [kind, []]))
  for (let i = 0; i < samples; i++) {
    const order = kinds.map((kind) => ({ kind, at: Math.random() }))
    for (const { kind } of order.toSorted((one, other) => one.at - other.at)) {
      took.get(kind)?.push(await ask(kind, i))
    }
  }
  return took
}
