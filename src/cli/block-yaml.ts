import { isScalar, parseDocument } from 'yaml'
import type { Fault } from '../faults.ts'

/** Lines of a document. */
interface Lines {
  text: string
  /** How many come before them. */
  before: number
}

/** Characters that are parsed at once: the parser takes a hundred bytes for each. */
const most = 64 * 1024

/**
 * Reads a document as the parser of YAML does, piece by piece where it is made of blocks (YAML 1.2 §8): what is in an
 * element of a list or a mapping is indented further than it, and so begins and ends with lines. An alias reaches no
 * further than its piece.
 * @param faults takes what is wrong, with its line
 */
export function parseLarge(text: string, faults: Fault[]): unknown {
  const [, marker = '', rest = text] = /^(---[ \t]*\r?\n)([^]*)$/.exec(text) ?? []
  const isOne = !/^(?:---|\.\.\.|%)/m.test(rest)
  if (!isOne) return parseLines({ text, before: 0 }, faults)
  return contentOf({ text: rest, before: marker === '' ? 0 : 1 }, faults)
}

/** What the parser says quotes them, and they are as likely the beginning of a password without quotes. */
const noTag = 'a tag that is not known (a text that begins with "!" needs quotes)'
const noAlias = 'an alias without its anchor (a text that begins with "*" needs quotes)'

/** Reads a document, or a part of one, at once. */
export function parseLines({ text, before }: Lines, faults: Fault[]): unknown {
  const document = parseDocument(text, { prettyErrors: true })
  // A warning is a tag that YAML does not know: "!env NAME" would quietly be the text "NAME".
  for (const { message } of [...document.errors, ...document.warnings]) {
    const [first = ''] = message.split('\n')
    const placed = first.replace(/(?<= at line )\d+/, (line) => String(Number(line) + before))
    const unquoted = placed.replace(/:$/, '').replace(/^Unresolved tag: \S+/, noTag)
    faults.push({ path: [], message: unquoted })
  }
  if (document.errors.length > 0) return undefined
  try {
    return document.toJS()
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    const isMissing = error.message.startsWith('Unresolved alias')
    const what = isMissing ? noAlias : error.message
    faults.push({ path: [], message: before === 0 ? what : `${what} after line ${before}` })
    return undefined
  }
}

function contentOf(lines: Lines, faults: Fault[]): unknown {
  const elements = lines.text.length > most ? elementsOf(lines) : undefined
  if (!elements) return parseLines(lines, faults)
  return elements.ofList ? listOf(elements.found, faults) : mappingOf(elements.found, faults)
}

/** Lines that say something: how far they are indented, and what they begin with; U+2028 begins no line. */
const saying = /(?<=^|\n)( *)([^\s#].?)/g
const beginsElement = /^-(?:\s|$)/

/** The elements of a list or a mapping, each with its lines; undefined where it is neither, as far as lines show. */
function elementsOf({ text, before }: Lines): { ofList: boolean; found: Lines[] } | undefined {
  const starts: number[] = []
  let margin: number | undefined
  let ofList = false
  for (const { index, 1: { length: indent } = '', 2: words = '' } of text.matchAll(saying)) {
    if (margin === undefined) {
      margin = indent
      ofList = beginsElement.test(words)
      if (!ofList && /^["'[{|>&*!?]/.test(words)) return undefined
    }
    if (indent < margin) return undefined
    if (indent > margin) continue
    if (beginsElement.test(words) === ofList) starts.push(index)
    // A list stands no further in than the name of its member.
    else if (ofList) return undefined
  }
  if (starts.length === 0) return undefined
  // What comes before the first are comments.
  starts[0] = 0
  let line = before
  const found = starts.map((start, at) => {
    const element = { text: text.slice(start, starts[at + 1]), before: line }
    line += linesIn(element.text)
    return element
  })
  return { ofList, found }
}

function linesIn(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1
  return count
}

/** Neighbours together, as long as they are few; one that is large by itself is alone. */
function* together(elements: readonly Lines[]): Generator<Lines[]> {
  let some: Lines[] = []
  let length = 0
  for (const element of elements) {
    if (some.length > 0 && length + element.text.length > most) {
      yield some
      some = []
      length = 0
    }
    some.push(element)
    length += element.text.length
  }
  if (some.length > 0) yield some
}

const joined = (some: readonly Lines[]): Lines => ({
  text: some.map(({ text }) => text).join(''),
  before: some[0]?.before ?? 0,
})

function listOf(elements: readonly Lines[], faults: Fault[]): unknown[] {
  const content: unknown[] = []
  for (const some of together(elements)) {
    const { text, before } = joined(some)
    if (text.length > most) content.push(contentOf({ text: withoutDash(text), before }, faults))
    else content.push(...((parseLines({ text, before }, faults) ?? []) as unknown[]))
  }
  return content
}

/** What is in an element, indented as it was. */
const withoutDash = (text: string) => text.replace(/^( *)-(?=\s)/m, '$1 ')

function mappingOf(elements: readonly Lines[], faults: Fault[]): unknown {
  const content = new Map<string, unknown>()
  for (const some of together(elements)) {
    const lines = joined(some)
    const members =
      lines.text.length > most
        ? largeMember(lines, faults)
        : Object.entries(parseLines(lines, faults) ?? {})
    for (const [name, value] of members) {
      if (content.has(name)) {
        const message = `Map keys must be unique: ${name} is there again after line ${lines.before}`
        faults.push({ path: [], message })
      }
      content.set(name, value)
    }
  }
  return Object.fromEntries(content)
}

/** Comments, and a name with nothing behind it on its line. */
const memberHead = /^(?:[ \t]*(?:#.*)?\r?\n)* *([^\s#][^\n]*?):[ \t]*(?:#.*)?\r?\n/

/** One whose value begins on the line after its name; another one is parsed at once. */
function largeMember({ text, before }: Lines, faults: Fault[]): Array<[string, unknown]> {
  const [head = '', name = ''] = memberHead.exec(text) ?? []
  const key = head === '' ? null : parseDocument(name).contents
  if (!isScalar(key)) {
    return Object.entries(parseLines({ text, before }, faults) ?? {})
  }
  const value = { text: text.slice(head.length), before: before + linesIn(head) }
  return [[String(key.value), contentOf(value, faults)]]
}
