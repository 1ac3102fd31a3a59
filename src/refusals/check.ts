/** A check that a request must pass. */
export interface Check {
  /** What must hold, as a sentence. */
  rule: string
  /** The source: specification and section, or a page of our documentation. */
  source: string
  /** How the operator of the client, or of this server, can fix it. */
  mend: string
}

/** A check as a row of a table: rule, source, how to fix it. */
export type CheckRow = readonly [rule: string, source: string, mend: string]
