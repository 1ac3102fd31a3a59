import { columns } from './columns.ts'

/** One thing that `doctor` looked at. */
export interface Check {
  name: string
  status: 'ok' | 'warn' | 'fail'
  /** What was found. */
  message: string
  /** What to do about it. */
  fix?: string
}

/** What a look at one thing came to. */
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
