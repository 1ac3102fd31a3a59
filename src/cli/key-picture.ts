import type { KeyOutput } from './key-output.ts'

/** Columns of a bar. */
const width = 56

const signs = { published: '░', signing: '█', verified: '▒', now: '│' } as const

/**
 * The lifetimes of keys as bars on a common time axis, for a terminal.
 * @param now milliseconds since the epoch
 */
export function keyPicture(keys: KeyOutput[], now: number): string[] {
  const lives = keys.map(lifeOf)
  const first = Math.min(now, ...lives.map(({ publish }) => publish))
  const last = Math.max(now, ...lives.map(({ end }) => end))
  const span = Math.max(1, last - first)
  const at = (column: number) => first + (span * (column + 0.5)) / width
  const columnOf = (time: number) =>
    Math.min(width - 1, Math.floor(((time - first) / span) * width))
  const present = columnOf(now)

  function bar({ publish, activate, retire, end }: Life): string {
    const cells = Array.from({ length: width }, (_, column) => {
      const time = at(column)
      if (column < columnOf(publish) || time >= end) return column === present ? signs.now : ' '
      // Even the shortest phase is visible.
      if (time < activate || column === columnOf(publish)) {
        return publish < activate ? signs.published : signs.signing
      }
      return time < retire ? signs.signing : signs.verified
    })
    return cells.join('')
  }

  const [from = '', to = ''] = [first, last].map((time) =>
    new Date(time).toISOString().slice(0, 16),
  )
  const scale = from + ' '.repeat(Math.max(1, width - from.length - to.length)) + to
  const indent = ' '.repeat(18)
  return [
    indent + scale.replace(/[TZ]/g, ' '),
    ...lives.map((life) => `${life.alg.padEnd(7)}${life.kid.slice(0, 9).padEnd(11)}${bar(life)}`),
    `${indent}${' '.repeat(present)}^ now`,
    `${indent}${signs.published} published   ${signs.signing} signs   ${signs.verified} verified`,
  ]
}

interface Life {
  kid: string
  alg: string
  publish: number
  activate: number
  retire: number
  end: number
}

/** A key without an end is drawn until its successor is due. */
function lifeOf(key: KeyOutput): Life {
  const publish = Date.parse(key.publish_at)
  const activate = Date.parse(key.activate_at)
  const planned = key.successor_due_at === undefined ? activate : Date.parse(key.successor_due_at)
  const retire = key.retire_at === undefined ? planned : Date.parse(key.retire_at)
  const end = key.remove_at === undefined ? retire : Date.parse(key.remove_at)
  return { kid: key.kid, alg: key.alg, publish, activate, retire, end }
}
