import { isDomainError } from '../errors.ts'

/** The description of a failure for an operator; the first line is a sentence, the others are faults, one per line. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!isDomainError(error)) return ofPostgres(error) + (error.message || error.name)
  const { detail, publicMessage } = error
  if (detail === undefined) return publicMessage
  if (typeof detail === 'string') return withFaults('', detail.trim().split('\n'), publicMessage)
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

/** SQLSTATE → what an operator must change, where Postgres only says what failed. */
const remedies: Partial<Record<string, string>> = {
  '25006': 'Postgres does not accept writes; DATABASE_URL must name one that does',
  '3F000':
    'The role of DATABASE_URL has no schema to create tables in (grant usage and create, search_path)',
  '42501':
    'The role of DATABASE_URL lacks a privilege (docs/deployment.md lists those that it needs)',
}

function ofPostgres(error: Error): string {
  const remedy = remedies[(error as { code?: string }).code ?? '']
  return remedy === undefined ? '' : `${remedy}: `
}
