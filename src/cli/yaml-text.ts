import { type ErrorCode, LineCounter, parseDocument } from 'yaml'
import type { Fault } from '../faults.ts'

/** Error codes whose message quotes nothing: a quote may contain the beginning of an unquoted password. */
const unquoting: ReadonlySet<ErrorCode> = new Set([
  'ALIAS_PROPS',
  'BAD_ALIAS',
  'BAD_INDENT',
  'BAD_PROP_ORDER',
  'BLOCK_AS_IMPLICIT_KEY',
  'BLOCK_IN_FLOW',
  'DUPLICATE_KEY',
  'KEY_OVER_1024_CHARS',
  'MISSING_CHAR',
  'MULTILINE_IMPLICIT_KEY',
  'MULTIPLE_ANCHORS',
  'MULTIPLE_TAGS',
  'TAB_AS_INDENT',
])

const ours: Partial<Record<ErrorCode, string>> = {
  BAD_DIRECTIVE: 'an unknown directive (a string that begins with "%" needs quotes)',
  BAD_DQ_ESCAPE: 'an unknown escape sequence (write a backslash in double quotes as two)',
  MULTIPLE_DOCS: 'expected one document, got several',
  TAG_RESOLVE_FAILED: 'an unknown tag (a string that begins with "!" needs quotes)',
}
const otherwise =
  'expected YAML (a string that begins with a special character, such as "|", ">", "@" or "%", needs quotes)'
const noAlias = 'an alias without an anchor (a string that begins with "*" needs quotes)'

/**
 * Parses a document of YAML 1.2 or JSON at once: it takes a hundred bytes per character.
 * @param faults receives each fault with line and column, without any word of the text
 */
export function readYaml(text: string, faults: Fault[]): unknown {
  const lineCounter = new LineCounter()
  // The parser's warnings on standard error would quote the text, too.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, logLevel: 'error' })
  // A warning means an unknown tag: "!env NAME" would silently become the text "NAME".
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    const what = unquoting.has(code) ? message : (ours[code] ?? otherwise)
    const { line, col } = lineCounter.linePos(Math.max(pos[0], 0))
    faults.push({ path: [], message: `${what} at line ${line}, column ${col}` })
  }
  if (document.errors.length > 0) return undefined
  try {
    return document.toJS()
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    const isMissing = error.message.startsWith('Unresolved alias')
    faults.push({ path: [], message: isMissing ? noAlias : 'aliases that expand to too much' })
    return undefined
  }
}
