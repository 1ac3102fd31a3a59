import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { cases } from './cases.ts'
import { namesIn, numberIn, UsageError } from './usage.ts'

/** The parsed command line. */
export interface Options {
  /** The requested cases; all if empty. */
  names: string[]
  blocks: number
  /** Milliseconds per block. */
  length: number
  connections: number
  /** Responses before the measurement starts, so that hot code is compiled. */
  warmUp: number
  /** Files to write. */
  json: string | undefined
  plot: string | undefined
  /** A folder for a CPU profile of our server, which slows it slightly. */
  profile: string | undefined
  /** Whether to print the statements sent to the stores. */
  statements: boolean
  /** Other servers: an issuer, or a file that describes one. */
  targets: string[]
  /** Whether to measure only the targets. */
  alone: boolean
  /** Properties of targets that are given by their issuer. */
  about: Record<string, string | string[] | undefined>
}

const text = { type: 'string' } as const
const texts = { type: 'string', multiple: true } as const

/** The names of all measurements. */
export const caseNames = [...new Set(cases.map(({ name }) => name)), 'idle']

function fileIn(name: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  if (statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) return file
  throw new UsageError(`--${name}: expected a file in a folder that exists, got ${file}`)
}

/** @throws UsageError, or what `parseArgs` throws, with what was expected and what was given */
export function optionsIn(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      blocks: { ...text, default: '5' },
      length: { ...text, default: '1000' },
      connections: { ...text, default: '8' },
      'warm-up': { ...text, default: '3000' },
      json: text,
      plot: text,
      profile: text,
      statements: { type: 'boolean', default: false },
      alone: { type: 'boolean', default: false },
      target: texts,
      client: text,
      secret: text,
      'redirect-uri': text,
      scope: text,
      resource: text,
      pid: text,
      cookie: texts,
      'refresh-token': texts,
      'access-token': texts,
    },
  })
  const number = (name: 'blocks' | 'length' | 'connections' | 'warm-up') =>
    numberIn(`--${name}`, values[name])
  if (values.alone && !values.target) throw new UsageError('--alone: expected a --target, got none')
  return {
    names: namesIn('cases', positionals, caseNames),
    blocks: number('blocks'),
    length: number('length'),
    connections: number('connections'),
    warmUp: number('warm-up'),
    json: fileIn('json', values.json),
    plot: fileIn('plot', values.plot),
    profile: values.profile,
    statements: values.statements,
    targets: values.target ?? [],
    alone: values.alone,
    about: {
      client_id: values.client,
      client_secret: values.secret,
      redirect_uri: values['redirect-uri'],
      scope: values.scope,
      resource: values.resource,
      pid: values.pid,
      cookies: values.cookie,
      refresh_tokens: values['refresh-token'],
      access_tokens: values['access-token'],
    },
  }
}
