import type { Outcome } from './lanes.ts'

const slowestShown = 10
const failuresShown = 40
/**
 * Most characters of all failure messages together, as readers may only see the end of the output; and least of each.
 */
const room = 8000
const leastOfOne = 200

/** Markers by which `.ci/run` finds and repeats it. */
const [head, foot] = ['═══ Summary ═══', '═══ End ═══']

const rounded = (seconds: number) => `${Math.round(seconds)} s`

/** @param phases the seconds that each lane was busy, by phase */
export function summaryOf(
  outcomes: readonly Outcome[],
  phases: Readonly<Record<string, readonly number[]>>,
): string {
  const failed = outcomes.flatMap(({ file, failures }) =>
    failures.map((failure) => ({ file, ...failure })),
  )
  const most = Math.max(leastOfOne, room / failed.length)
  const told = failed.slice(0, failuresShown).map(({ file, title, message }) => {
    const indented = message.slice(0, most).trimEnd().replace(/^/gm, '    ')
    return `FAILED ${file}\n  ${title}\n${indented}`
  })
  const slowest = outcomes.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowestShown)
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0)
  const left = failed.length - failuresShown
  return [
    head,
    ...Object.entries(phases).map(([name, each]) => `${name}: ${each.map(rounded).join(', ')}`),
    `slowest: ${slowest.map(({ file, seconds }) => `${file} ${rounded(seconds)}`).join(', ')}`,
    ...told,
    ...(left > 0 ? [`… and ${left} more`] : []),
    foot,
    `${passed} passed, ${failed.length} failed\n`,
  ].join('\n')
}
