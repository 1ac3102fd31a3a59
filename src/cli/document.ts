import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseDocument } from 'yaml'
import { DomainError, type DomainErrorCode } from '../errors.ts'
import { type Fault, faultLine } from '../faults.ts'
import { type Io, UsageError } from './command.ts'

/** A YAML or JSON document of an operator, read but not checked. */
export interface OperatorDocument {
  /** For messages. */
  name: string
  /** What relative paths in it start at. */
  folder: string
  content: unknown
}

/** Far more than anybody declares by hand; a larger one is a mistake in the file's name. */
const longest = 8 * 1024 * 1024

/**
 * Reads a document; JSON is YAML (YAML 1.2 §1.3).
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
  const text = file === '-' ? await io.stdin() : await readFile(file, 'utf8').catch(unreadable)
  return { name, folder, content: parseYaml(text, name, code) }
}

/** @throws DomainError `code` with every syntax fault and its line */
export function parseYaml(text: string, name: string, code: DomainErrorCode): unknown {
  if (text.length > longest) {
    const message = 'more than 8 MiB: split it into several files, and take each without --prune'
    throw invalid(code, name, [{ path: [], message }])
  }
  const document = parseDocument(text, { prettyErrors: true })
  // A warning is a tag that YAML does not know: "!env NAME" would quietly be the text "NAME".
  const faults = [...document.errors, ...document.warnings].map(({ message }): Fault => {
    const [line = ''] = message.split('\n')
    return { path: [], message: line.replace(/:$/, '').replace(/^Unresolved tag: \S+/, noTag) }
  })
  if (faults.length > 0) throw invalid(code, name, faults)
  try {
    return document.toJS() as unknown
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    const isMissing = error.message.startsWith('Unresolved alias')
    throw invalid(code, name, [{ path: [], message: isMissing ? noAlias : error.message }])
  }
}

/** What the parser says quotes them, and they are as likely the beginning of a password without quotes. */
const noTag = 'a tag that is not known (a text that begins with "!" needs quotes)'
const noAlias = 'an alias without its anchor (a text that begins with "*" needs quotes)'

export function invalid(code: DomainErrorCode, file: string, faults: Fault[]): DomainError {
  return new DomainError(code, { detail: { file, faults: faults.map(faultLine) } })
}

function unreadable(error: NodeJS.ErrnoException): never {
  throw new UsageError(`cannot read ${error.path ?? 'the file'}: ${error.code ?? error.message}`)
}
