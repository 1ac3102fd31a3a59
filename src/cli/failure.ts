import { isDomainError } from '../errors.ts'

/** Lines that tell an operator what went wrong; the first is a sentence, the others are faults, one per line. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!isDomainError(error)) return error.message || error.name
  const { detail, publicMessage } = error
  if (detail === undefined) return publicMessage
  if (typeof detail === 'string') return withFaults('', detail.split('\n'), publicMessage)
  const { faults, ...facts } = detail
  const about = Object.entries(facts).map(([name, value]) => `${name}: ${text(value)}`)
  const sentence = publicMessage.replace(/\.$/, '')
  const first = about.length > 0 ? `${sentence} (${about.join(', ')})` : sentence
  return Array.isArray(faults) ? withFaults(first, faults.map(text), publicMessage) : `${first}.`
}

function withFaults(first: string, faults: string[], sentence: string): string {
  const [only = ''] = faults
  if (faults.length === 1) return first ? `${first}: ${only}` : only
  const head = first || sentence.replace(/\.$/, '')
  return [`${head}, ${faults.length} faults:`, ...faults.map((fault) => `  ${fault}`)].join('\n')
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
