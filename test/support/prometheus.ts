import { execFileSync } from 'node:child_process'
import { findProgram } from './binaries.ts'
import { printNotice, servicesRequired } from './root-hooks.ts'

/** One line of the text format. */
export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** The current `/metrics` of a local port. */
export async function scrape(port: string | number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`)
  return response.text()
}

/** All samples in a Prometheus text. */
export function samplesOf(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name = '', labels = '', value = ''] =
      /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line.startsWith('#') ? '' : line) ?? []
    if (name === '') return []
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
    return [
      { name, labels: Object.fromEntries(pairs.map(([, k, v]) => [k, v])), value: Number(value) },
    ]
  })
}

/** The sum of one metric's samples whose labels include these. */
export function figure(text: string, name: string, labels: Record<string, string> = {}): number {
  const fits = (sample: Sample) =>
    sample.name === name &&
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  return samplesOf(text)
    .filter(fits)
    .reduce((sum, { value }) => sum + value, 0)
}

/** Whether promtool is installed. If not, says so, or fails where services are required. */
export function promtoolFound(): boolean {
  if (findProgram('promtool') !== undefined) return true
  const what = 'NOT TESTED by promtool: it is not on this machine.'
  if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for it.`)
  printNotice(what, 'Debian: apt-get install prometheus.')
  return false
}

/** Runs promtool. @throws Error with what it found wrong */
export function promtool(args: string[], input = ''): string {
  return execFileSync(findProgram('promtool') as string, args, {
    input,
    encoding: 'utf8',
    stdio: 'pipe',
  })
}
