import type { StorageKind } from './boot.ts'
import { servicesFound } from './root-hooks.ts'

const wanted = process.env['TEST_STORAGE']
if (wanted !== undefined && wanted !== 'embedded') {
  throw new Error(`TEST_STORAGE: expected embedded, or nothing; got ${wanted}`)
}

/**
 * For what is the same on every storage: the one of servers, where the machine has it, as it begins with half the
 * processor time; embedded storage with `TEST_STORAGE=embedded`.
 */
export const anyStorage: StorageKind = servicesFound() && !wanted ? 'services' : 'embedded'

/** Defines a suite of what is the same on every storage, in place of one for each of them (`onEachStorage`). */
export function onAnyStorage(title: string, define: (kind: StorageKind) => void): void {
  describe(`${title} [${anyStorage}]`, () => define(anyStorage))
}

/** In a suite of each storage (`onEachStorage`), for `test` in place of `it`: what is the same on all, on one alone. */
export const itOnAny = (kind: StorageKind): ((title: string, test: Mocha.AsyncFunc) => void) =>
  kind === anyStorage ? it : () => undefined
