import { percentile } from '../load/percentile.ts'

/** Above this effect two lists count as distinguishable; in the literature "negligible" ends at 0.147. */
const most = 0.15

/** Cliff's delta of two lists: 0 if neither tends to be longer, 1 or -1 if one always is. */
function delta(one: number[], other: number[]): number {
  let more = 0
  for (const a of one) for (const b of other) more += Math.sign(a - b)
  return more / (one.length * other.length)
}

/** The effect that this number of samples shows by chance alone in 19 of 20 cases. */
const byChance = (samples: number) => 1.96 * Math.sqrt((2 * samples + 1) / (3 * samples ** 2))

function verdict(effect: number, samples: number): string {
  if (effect < most) return 'pass'
  return effect < byChance(samples) ? 'maybe chance: use more samples' : 'FAIL'
}

/** Prints the latencies of each kind, in milliseconds, and its effect against the first kind. */
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

/** Measures every kind once per round, in random order, so that other load affects all kinds equally. */
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
