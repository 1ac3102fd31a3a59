/** Why an outgoing request was refused or failed; docs/outgoing.md explains each. */
export const fetchFaults = [
  'url_refused',
  'name_not_found',
  'address_refused',
  'connection_failed',
  'certificate_refused',
  'timed_out',
  'answer_too_large',
  'answer_malformed',
] as const

export type FetchFault = (typeof fetchFaults)[number]

/** Its message says what was expected and what was received, for operators, without query or credentials. */
export class FetchError extends Error {
  override readonly name = 'FetchError'
  readonly code: FetchFault

  constructor(code: FetchFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
