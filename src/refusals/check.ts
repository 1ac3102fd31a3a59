/** One check that a request has to pass. */
export interface Check {
  /** What must hold, as a sentence. */
  rule: string
  /** Where it is written: specification and section, or the page of our documentation. */
  source: string
  /** What whoever runs the client, or this server, can do. */
  mend: string
}

/** A check as a row of a table: rule, source, how to fix it. */
export type CheckRow = readonly [rule: string, source: string, mend: string]
