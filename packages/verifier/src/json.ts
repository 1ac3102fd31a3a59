/**
 * Parses a JSON object strictly: valid UTF-8, an object at the top level, no duplicate members in any object (RFC 8725
 * §2.4, RFC 7515 §4: two parsers must not read different tokens).
 * @throws SyntaxError
 */
export function parseObject(bytes: Uint8Array, mayRepeat?: true): Record<string, unknown> {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SyntaxError('expected a JSON object')
  }
  if (!mayRepeat) refuseDuplicates(text)
  return value as Record<string, unknown>
}

/** Requires valid JSON: the text has been parsed before. */
function refuseDuplicates(text: string): void {
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]
    if (letter === '{') open.push(new Set())
    else if (letter === '[') open.push(undefined)
    else if (letter === '}' || letter === ']') open.pop()
    else if (letter === '"') {
      const end = endOfString(text, at)
      const names = open.at(-1)
      if (names && /^\s*:/.test(text.slice(end + 1, end + 20))) {
        // Different escapes of one name are the same name.
        const name = JSON.parse(text.slice(at, end + 1)) as string
        if (names.has(name)) throw new SyntaxError('a member occurs twice')
        names.add(name)
      }
      at = end
    }
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}
