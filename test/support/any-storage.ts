import type { StorageKind } from './boot.ts'
import { servicesFound } from './root-hooks.ts'

/**
 * For what is the same on every storage: the one of a server, which takes half the processor time of the embedded one to
 * begin with, where the machine has it.
 */
export const anyStorage: StorageKind = servicesFound() ? 'services' : 'embedded'

/** Defines a suite of what is the same on every storage. */
export function onAnyStorage(title: string, define: (kind: StorageKind) => void): void {
  describe(title, () => define(anyStorage))
}
