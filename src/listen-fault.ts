import { DomainError } from './errors.ts'

/** A port that is to be listened at, and the settings that say so. */
interface Wanted {
  port: number
  host: string
  settings: { port: string; host: string }
}

/**
 * What an operator can do about a port that cannot be had.
 * @returns `config_invalid` with the setting at fault; other errors as they came
 */
export function listenFault(cause: Error, { port, host, settings }: Wanted): Error {
  const noAddress = `${settings.host}: ${host} is not an address of this machine`
  const faults: Record<string, string> = {
    EADDRINUSE: `${settings.port}: port ${port} of ${host} is in use by another program; stop it, or choose another port`,
    EACCES: `${settings.port}: this user may not listen on port ${port} of ${host}; choose a port of 1024 or more`,
    EADDRNOTAVAIL: noAddress,
    ENOTFOUND: noAddress,
    EAI_AGAIN: noAddress,
  }
  const detail = faults[(cause as NodeJS.ErrnoException).code ?? '']
  return detail === undefined ? cause : new DomainError('config_invalid', { detail, cause })
}
