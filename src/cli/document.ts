import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DomainError, type DomainErrorCode } from '../errors.ts'
import { type Fault, faultLine } from '../faults.ts'
import { storableRule, unstorableIn } from '../storable.ts'
import { type Io, UsageError } from './command.ts'
import { readJson } from './json-text.ts'
import { readYaml } from './yaml-text.ts'

/** A YAML or JSON document of an operator, read but not checked. */
export interface OperatorDocument {
  /** For messages. */
  name: string
  /** The base folder of relative paths in it. */
  folder: string
  content: unknown
}

/** Most characters: enough for an export of a million accounts. A larger file is usually the wrong one. */
const longest = 256 * 1024 * 1024
/** Most characters of YAML, which takes a hundred times the memory of its text. */
const longestYaml = 8 * 1024 * 1024

/**
 * Reads a document; JSON is YAML (YAML 1.2 §1.3). From 8 MiB on it must be JSON.
 * @param file a path, or `-` for standard input
 * @throws UsageError when the file cannot be read
 * @throws DomainError `code` with every syntax fault and its line
 */
export async function readDocument(
  file: string,
  io: Io,
  code: DomainErrorCode,
): Promise<OperatorDocument> {
  const name = file === '-' ? 'standard input' : file
  const folder = file === '-' ? '.' : dirname(file)
  const text = file === '-' ? await io.stdin() : await readText(file, code)
  return { name, folder, content: parseYaml(text, name, code) }
}

/** @throws DomainError `code` with every syntax fault and its line, and where Postgres could not store a text */
export function parseYaml(given: string, name: string, code: DomainErrorCode): unknown {
  if (given.length > longest) throw tooLong(name, code)
  const text = given.startsWith('\uFEFF') ? given.slice(1) : given
  const faults: Fault[] = []
  const content = contentOf(text, faults)
  const path = unstorableIn(content)
  if (path) faults.push({ path, message: storableRule })
  if (faults.length > 0) throw invalid(code, name, faults)
  return content
}

function contentOf(text: string, faults: Fault[]): unknown {
  if (text.length <= longestYaml) return readYaml(text, faults)
  if (/^\s*[{[]/.test(text)) return readJson(text, faults)
  const message =
    'more than 8 MiB: expected JSON (export --json writes it), or several files, each applied without --prune'
  faults.push({ path: [], message })
  return undefined
}

function tooLong(name: string, code: DomainErrorCode): DomainError {
  const message = 'more than 256 MiB: split it into several files and apply each without --prune'
  return invalid(code, name, [{ path: [], message }])
}

export function invalid(code: DomainErrorCode, file: string, faults: Fault[]): DomainError {
  return new DomainError(code, { detail: { file, faults: faults.map(faultLine) } })
}

async function readText(file: string, code: DomainErrorCode): Promise<string> {
  const { size } = await stat(file).catch(unreadable)
  if (size > longest) throw tooLong(file, code)
  return readFile(file, 'utf8').catch(unreadable)
}

function unreadable(error: NodeJS.ErrnoException): never {
  throw new UsageError(`cannot read ${error.path ?? 'the file'}: ${error.code ?? error.message}`)
}
