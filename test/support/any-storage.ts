import type { StorageKind } from './boot.ts'
import { servicesFound } from './root-hooks.ts'

const wanted = process.env['TEST_STORAGE']
if (wanted !== undefined && wanted !== 'embedded') {
  throw new Error(`TEST_STORAGE: expected embedded, or nothing; got ${wanted}`)
}

/**
 * The storage for tests whose result does not depend on it: Postgres and Redis where the machine has them, which take
 * half the processor time to start; embedded with `TEST_STORAGE=embedded`.
 */
export const anyStorage: StorageKind = servicesFound() && !wanted ? 'services' : 'embedded'

/** Defines a suite that runs on one storage instead of each (`onEachStorage`). */
export function onAnyStorage(title: string, define: (kind: StorageKind) => void): void {
  describe(`${title} [${anyStorage}]`, () => define(anyStorage))
}

/** Within a suite of `onEachStorage`: `test` instead of `it` for a test that need run on one storage only. */
export const itOnAny = (kind: StorageKind): ((title: string, test: Mocha.AsyncFunc) => void) =>
  kind === anyStorage ? it : () => undefined
