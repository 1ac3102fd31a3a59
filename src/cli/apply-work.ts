import { setTimeout as pause } from 'node:timers/promises'
import type { ReadyDeclared } from '../accounts/declare.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import type { Naming } from '../resources/known-names.ts'
import type { Sections } from './apply-file.ts'
import type { ApplyResult } from './apply-output.ts'
import type { MemberChange } from './difference.ts'
import { describeFailure } from './failure.ts'
import type { ItemSection } from './stored.ts'

/** The sections of one tenant. */
export type Scope = Sections & { id: string }

/** The outcome of one item, before the stored forms are compared. */
export interface Declared {
  tenant: string
  section: 'tenants' | ItemSection
  /** The tenant's id, the identifier, the client_id or the e-mail address. */
  id: string
  outcome: 'created' | 'updated' | 'unchanged'
  /** The member whose secret value changed. */
  secret?: 'client_secret' | 'password' | undefined
  /** The changed members of clients and accounts, compared early: there may be too many to compare at the end. */
  members?: MemberChange[]
}

export type Outcome = Pick<Declared, 'id' | 'outcome' | 'secret'>

/** An apply in progress, in its transaction. */
export interface Work {
  core: Capabilities
  documents: Awaited<ReturnType<Capabilities['clients']['prepare']>>
  declared: Declared[]
  secrets: ApplyResult['client_secrets']
  faults: string[]
  /** Names that clients newly use: their objects may come later in the file. */
  namings: Map<Scope, Array<Naming & { client_id: string }>>
  /** Declared account → its result of `readyPasswords`. */
  ready: Map<object, ReadyDeclared>
  /** Starts a stage of the work, for `progress`. */
  begin(what: 'passwords hashed' | 'clients and accounts' | 'deletions', total: number): void
  /** Reports progress to the waiting user from time to time. */
  progress(more: number): Promise<void>
}

/** Milliseconds between two attempts to get the lock. */
const lockPause = 200

/**
 * Lets one apply run at a time, until the transaction of this context ends: two could deadlock. The lock is polled,
 * since the other apply may take minutes and a statement that waits that long is cancelled.
 */
export async function lockDeclared({ database }: Capabilities): Promise<void> {
  for (;;) {
    const [row] = await database.query<{ held: boolean }>(
      `select pg_try_advisory_xact_lock(hashtextextended('keyturn apply', 0)) as held`,
    )
    if (row?.held) return
    await pause(lockPause)
  }
}

/**
 * Runs the deferred triggers (notifications of changed rows) now: with very many rows, running them all in the COMMIT
 * would exceed the statement timeout. Other transactions still see nothing before the commit.
 */
export async function settleChanges({ database }: Capabilities): Promise<void> {
  await database.query('set constraints all immediate')
  await database.query('set constraints all deferred')
}

/** Goes on after a fault of one item, so that all are reported at once. */
export async function collect(
  work: Work,
  what: string,
  declare: () => Promise<void>,
): Promise<void> {
  try {
    await declare()
  } catch (error) {
    if (!isDomainError(error)) throw error
    const faults = faultsIn(error)?.map((fault) => `${what}: ${fault}`)
    if (!faults) throw error
    work.faults.push(...faults)
    // After an error of Postgres the transaction is aborted: nothing more can be checked.
    if (error.code === 'account_exists' && error.cause !== undefined) throw refused(work)
  }
}

export function refused({ faults }: Work): DomainError {
  return new DomainError('apply_invalid', { detail: { faults } })
}

/** The faults of the item; undefined when the error is not about it. */
function faultsIn(error: DomainError): string[] | undefined {
  const { code, detail } = error
  const { faults, expected } = typeof detail === 'object' ? detail : {}
  switch (code) {
    case 'account_exists':
      return ['its e-mail address or user name belongs to another account']
    case 'password_policy':
      return [`password: expected ${String(expected)}`]
    case 'last_owner':
      return ['expected at least one enabled owner of everything to remain, got none']
    case 'last_operator':
      return ['expected at least one enabled operator of its tenant to remain, got none']
    case 'apply_invalid':
    case 'built_in':
    case 'client_invalid':
    case 'resource_server_invalid':
      return Array.isArray(faults) ? faults.map(String) : [describeFailure(error)]
    default:
      return undefined
  }
}
