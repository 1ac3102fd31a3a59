import type { Fault } from '../faults.ts'

/**
 * Parses JSON (RFC 8259) with little more memory than its content takes. A duplicate name in an object is a fault, as
 * in YAML; `JSON.parse` would silently keep the last one.
 * @param faults receives each fault, with its place if known; quotes nothing of the text but names
 */
export function readJson(text: string, faults: Fault[]): unknown {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    // The rest of its message quotes the text, but never at its end.
    const place = / at position \d+ \(line (\d+) column (\d+)\)$/.exec((error as Error).message)
    const where = place ? ` at line ${place[1]}, column ${place[2]}` : ''
    faults.push({ path: [], message: `expected valid JSON${where}` })
    return undefined
  }
  findRepeated(text, faults)
  return content
}

/** @param text must be valid */
function findRepeated(text: string, faults: Fault[]): void {
  /** The names in each open object, outermost first; lists have none. */
  const open: Array<Set<string>> = []
  const token = /[{}[\]:"\n]/g
  let line = 1
  let lineStart = 0
  /** Where the last string begins and ends, with its quotes. */
  let last: [number, number] = [0, 0]
  for (let found = token.exec(text); found; found = token.exec(text)) {
    const { 0: sign, index } = found
    if (sign === '"') {
      last = [index, endOfText(text, index)]
      token.lastIndex = last[1]
    } else if (sign === '\n') {
      line += 1
      lineStart = index + 1
    } else if (sign === ':') {
      const name = JSON.parse(text.slice(...last)) as string
      const names = open.at(-1)
      if (names?.has(name)) {
        const where = `line ${line}, column ${last[0] - lineStart + 1}`
        const shown = JSON.stringify(name).slice(0, 100)
        faults.push({ path: [], message: `Map keys must be unique: ${shown} at ${where}` })
      }
      names?.add(name)
    } else if (sign === '{' || sign === '[') open.push(new Set())
    else open.pop()
  }
}

/** The end of a string, after its quote. Not by regular expression, which would need memory for each escape. */
function endOfText(text: string, start: number): number {
  let at = start + 1
  for (; text[at] !== '"'; at += 1) if (text[at] === '\\') at += 1
  return at + 1
}
