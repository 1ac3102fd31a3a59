import { columns } from './columns.ts'

/** One check of `doctor`. */
export interface Check {
  name: string
  status: 'ok' | 'warn' | 'fail'
  /** What was found. */
  message: string
  /** What to do about it. */
  fix?: string
}

/** The result of one check. */
export type Finding = Omit<Check, 'name'>

/** What `doctor --json` prints. */
export interface Diagnosis {
  /** Whether nothing failed; warnings are no failure. */
  ok: boolean
  checks: Check[]
}

export function diagnosisOf(checks: Check[]): Diagnosis {
  return { ok: checks.every(({ status }) => status !== 'fail'), checks }
}

/** One line per check. */
export function renderDiagnosis({ checks }: Diagnosis): string {
  return columns(
    checks.map(({ name, status, message, fix }) => [
      status,
      name,
      (fix === undefined ? message : `${message} Fix: ${fix}`).replace(/\s*\n\s*/g, ' '),
    ]),
  )
}
