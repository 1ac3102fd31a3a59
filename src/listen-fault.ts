import { DomainError } from './errors.ts'

/** A port to listen on, and the settings that it comes from. */
interface Wanted {
  port: number
  host: string
  settings: { port: string; host: string }
}

/**
 * Describes what an operator can do when a port cannot be opened.
 * @returns `config_invalid` with the setting at fault; any other error unchanged
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
