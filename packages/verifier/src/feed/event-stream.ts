/** An event of a stream (WHATWG HTML §9.2). */
export interface StreamEvent {
  type: string
  data: string
  /** Undefined where it has none of its own. */
  id: string | undefined
}

/**
 * Reads server-sent events out of chunks of bytes.
 * @param longest characters of one event
 * @throws Error when an event is longer
 */
export function createEventParser(longest: number): (chunk: Uint8Array) => StreamEvent[] {
  const decoder = new TextDecoder()
  /** The pieces of a line that has not ended: joined once, as a line may be many megabytes long. */
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
    // The end of a line may be two characters, in two chunks.
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
