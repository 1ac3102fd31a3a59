import type { Config } from '../../config/config.ts'
import { type Client, type ClientMetadata, checkedMetadata } from '../clients/client.ts'
import { mtlsFault } from './mtls.ts'

type Judged =
  | { metadata: ClientMetadata; faults?: never }
  | { faults: [string, ...string[]]; metadata?: never }

/** Validates a stored client by the current rules, which may be stricter than those at its declaration. */
export function judgeStored(config: Config, client: Client): Judged {
  const { data, error } = checkedMetadata(client)
  const faults = error
    ? error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    : [mtlsFault(config, data)].filter((fault) => fault !== undefined)
  const [first, ...others] = faults
  return first === undefined ? { metadata: data as ClientMetadata } : { faults: [first, ...others] }
}
