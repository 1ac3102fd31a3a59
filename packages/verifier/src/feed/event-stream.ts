/** A server-sent event (WHATWG HTML §9.2). */
export interface StreamEvent {
  type: string
  data: string
  /** Undefined when the event itself has none. */
  id: string | undefined
}

/**
 * Parses server-sent events from chunks of bytes.
 * @param longest most characters of one event
 * @throws Error when an event is longer
 */
export function createEventParser(longest: number): (chunk: Uint8Array) => StreamEvent[] {
  const decoder = new TextDecoder()
  /** Pieces of an unfinished line, joined only at its end: a line may have many megabytes. */
  let pieces: string[] = []
  let length = 0
  let endedByReturn = false
  let event: { type: string; data: string[]; id: string | undefined } = fresh()

  function fresh() {
    return { type: '', data: [] as string[], id: undefined }
  }

  function take(line: string): StreamEvent | undefined {
    if (line === '') {
      const { type, data, id } = event
      event = fresh()
      length = 0
      return data.length === 0 ? undefined : { type: type || 'message', data: data.join('\n'), id }
    }
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') event.data.push(value)
    else if (name === 'event') event.type = value
    else if (name === 'id' && !value.includes('\0')) event.id = value
    return undefined
  }

  return (chunk) => {
    let text = decoder.decode(chunk, { stream: true })
    // A line end may be two characters, in two chunks.
    if (endedByReturn && text.startsWith('\n')) text = text.slice(1)
    if (text === '') return []
    endedByReturn = text.endsWith('\r')
    length += text.length
    if (length > longest) throw new Error(`an event is longer than ${longest} characters`)
    const lines = text.split(/\r\n|\r|\n/)
    const rest = lines.pop() ?? ''
    const events: StreamEvent[] = []
    for (const line of lines) {
      const whole = pieces.length === 0 ? line : pieces.join('') + line
      pieces = []
      const found = take(whole)
      if (found) events.push(found)
    }
    if (rest !== '') pieces.push(rest)
    return events
  }
}
