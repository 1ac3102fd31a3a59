import type { z } from 'zod'

export interface Setting {
  /** The environment variable; a secret may come from a file named by `<env>_FILE` instead. */
  env: string
  group: string
  schema: z.ZodType<unknown, string>
  /** As written in the environment; undefined means that the setting is optional without default. */
  default?: string | DerivedDefault
  /** Whether it may stay unset although it has a derived default, when that default is undefined. */
  optional?: true
  unit?: 'seconds' | 'bytes' | 'KiB'
  secret?: true
  description: string
}

interface DerivedDefault {
  /** For the reference. */
  text: string
  /** @param earlier values of the settings above; a refused one is undefined */
  from(earlier: Earlier): string | undefined
}

export interface Earlier {
  port?: number
  tlsCertFile?: string
  issuer?: string
  mtlsPort?: number
  workers?: number | 'auto'
  otlpEndpoint?: string
  otlpProtocol?: string
  otelResourceAttributes?: Readonly<Record<string, string>>
}

/** One fault of the configuration; all are collected. */
export class Fault extends Error {}

/** Reads a file that a variable names. @throws Fault when it cannot be read or is empty */
export function contentOf(
  variable: string,
  path: string,
  readFile: (path: string) => string,
): string {
  const shown = JSON.stringify(path)
  let content: string
  try {
    content = readFile(path).trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Fault(`${variable}: expected a readable file, got ${shown} (${code ?? 'unreadable'})`)
  }
  if (!content) {
    throw new Fault(`${variable}: expected a file with a value, got ${shown}, which is empty`)
  }
  return content
}
