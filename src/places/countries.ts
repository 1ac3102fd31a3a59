import type { CountryResponse, Reader } from 'mmdb-lib'
import { DomainError } from '../errors.ts'
import { type Followed, followLargeFile } from '../followed-files.ts'
import type { Log } from '../log.ts'

/** Countries by address, from a file in the MaxMind DB format (2.0) that an operator provides. */
export interface Countries {
  /** ISO 3166-1, two letters; undefined if the file does not have the address, and without a file. */
  of(ip: string): string | undefined
  /** The metadata of the file; absent without one. */
  readonly about?: { type: string; builtAt: Date }
  /** Loads a replaced file; a broken one is logged, and the old one stays in use. Never throws. */
  check(): Promise<void>
}

type CountryReader = Reader<CountryResponse>

const marker = Buffer.from('\u00ab\u00cd\u00efMaxMind.com', 'latin1')

/** @throws DomainError `config_invalid` when the file cannot be read, or does not hold countries */
export async function openCountries(path: string | undefined, log: Log): Promise<Countries> {
  if (path === undefined) return { of: () => undefined, check: async () => undefined }
  const file = await openFile(path, log)
  let isTold = false
  file.onChange(() => {
    isTold = false
  })

  return {
    of(ip) {
      try {
        const code = file.current.get(ip)?.country?.iso_code
        return code !== undefined && /^[A-Z]{2}$/.test(code) ? code : undefined
      } catch (error) {
        // A file with a fault in its middle must not keep anybody from signing in.
        if (!isTold)
          log.error(
            { file: path, err: error },
            'could not look up a country; the file of GEOIP_DATABASE may be damaged',
          )
        isTold = true
        return undefined
      }
    },
    get about() {
      const { databaseType, buildEpoch } = file.current.metadata
      return { type: databaseType, builtAt: buildEpoch }
    },
    check: file.check,
  }
}

async function openFile(path: string, log: Log): Promise<Followed<CountryReader>> {
  try {
    return await followLargeFile(path, readerOf, log)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new DomainError('config_invalid', {
      detail: `GEOIP_DATABASE ${path}: ${code ?? message}`,
      cause,
    })
  }
}

/** @throws Error that says what is wrong with the file */
async function readerOf(bytes: Buffer): Promise<CountryReader> {
  const metadataAt = bytes.lastIndexOf(marker)
  if (metadataAt === -1)
    throw new Error('expected a MaxMind DB file (.mmdb), complete and uncompressed')
  // Most installations have no such file.
  const library = await import('mmdb-lib')
  const reader: CountryReader = new library.Reader(bytes)
  const { binaryFormatMajorVersion, databaseType, searchTreeSize } = reader.metadata
  if (binaryFormatMajorVersion !== 2) {
    throw new Error(`expected version 2 of the format, got ${binaryFormatMajorVersion}`)
  }
  if (searchTreeSize > metadataAt) throw new Error('the file is truncated')
  // Databases of cities and enterprises include the country.
  if (!/country|city|enterprise/i.test(databaseType)) {
    throw new Error(`expected a database of countries or cities, got ${databaseType}`)
  }
  return reader
}
