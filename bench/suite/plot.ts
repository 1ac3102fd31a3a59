import type { Row, Side } from './row.ts'
import type { Report } from './suite.ts'

/** Throughput against latency as an SVG, one panel per case. */

const panel = { width: 380, height: 236, left: 60, bottom: 56, top: 34, right: 16 }
const colours = ['#0b63ce', '#c2410c', '#15803d', '#7e22ce', '#475569']
/** The range of the logarithmic axis, in milliseconds. */
const [fastest, slowest] = [0.1, 10_000]

const escape = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const text = (x: number, y: number, content: string, more = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escape(content)}</text>`

/** Four or five round numbers from 0 to at least `most`. */
function ticksTo(most: number): number[] {
  const rough = most / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 2.5, 5].find((factor) => factor * power >= rough) ?? 10)
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step)
}

function scales(sides: Side[]) {
  const most = Math.max(
    1,
    ...sides.flatMap(({ curve = [] }) => curve.map(({ block }) => block.rate)),
  )
  const width = panel.width - panel.left - panel.right
  const height = panel.height - panel.top - panel.bottom
  const depth = (ms: number) =>
    Math.log(Math.min(slowest, Math.max(fastest, ms)) / fastest) / Math.log(slowest / fastest)
  const ticks = ticksTo(most)
  const end = ticks.at(-1) ?? most
  return {
    ticks,
    x: (rate: number) => panel.left + (rate / end) * width,
    y: (ms: number) => panel.top + height * (1 - depth(ms)),
  }
}

function panelOf({ row, sides }: Row): string {
  const { ticks, x, y } = scales(sides)
  const parts = [text(panel.left, 18, row, 'font-weight="bold"')]
  for (let ms = fastest; ms <= slowest; ms *= 10) {
    parts.push(
      `<path class="grid" d="M${panel.left} ${y(ms).toFixed(1)}H${panel.width - panel.right}"/>`,
      text(
        panel.left - 6,
        y(ms) + 4,
        ms < 1000 ? `${ms} ms` : `${ms / 1000} s`,
        'text-anchor="end"',
      ),
    )
  }
  for (const rate of ticks) {
    parts.push(text(x(rate), panel.height - 40, String(rate), 'text-anchor="middle"'))
  }
  const middle = (panel.left + panel.width - panel.right) / 2
  parts.push(text(middle, panel.height - 24, 'answers per second', 'text-anchor="middle"'))
  for (const [i, { name, curve = [] }] of sides.filter((side) => side.curve).entries()) {
    const colour = colours[i % colours.length]
    for (const part of ['p50', 'p99'] as const) {
      const points = curve
        .filter(({ block }) => block.rate > 0)
        // Above its peak a server may answer less; sorted by achieved rate, no line runs backwards.
        .toSorted((one, other) => one.block.rate - other.block.rate)
        .map(({ block }) => `${x(block.rate).toFixed(1)},${y(block[part]).toFixed(1)}`)
      const dashes = part === 'p50' ? '' : ' stroke-dasharray="4 3"'
      parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${colour}"${dashes}/>`)
    }
    parts.push(text(panel.left + i * 110, panel.height - 6, name, `fill="${colour}"`))
  }
  return parts.join('\n')
}

/** Correct responses per second, and p50 (solid) and p99 (dashed) of requests at a steady rate. */
export function plotOf({ rows, date, machine }: Report): string {
  const drawn = rows.filter(({ sides }) => sides.some(({ curve }) => curve))
  const across = Math.min(3, Math.max(1, drawn.length))
  const down = Math.ceil(drawn.length / across)
  const panels = drawn.map((row, i) => {
    const at = `${(i % across) * panel.width} ${Math.floor(i / across) * panel.height + 24}`
    return `<g transform="translate(${at})">\n${panelOf(row)}\n</g>`
  })
  const [width, height] = [across * panel.width, down * panel.height + 30]
  const title = `Answers per second against latency: p50 solid, p99 dashed. ${date}, ${machine}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<style>.grid{stroke:#ddd}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
${text(panel.left, 16, title)}
${panels.join('\n')}
</svg>
`
}
