import type { ClientMetadata } from '../clients/client.ts'
import { DomainError } from '../errors.ts'
import type { KeySet } from '../signing/key-set.ts'
import type { SigningAlg } from '../signing/signing-key.ts'
import type { Unit } from '../storage/unit.ts'
import { accountClientId } from './account-client.ts'
import type { Capabilities } from './capabilities.ts'
import { mtlsFault } from './mtls.ts'

/** The engine as it judges the clients of a tenant that has keys for these algorithms. */
interface Judge {
  algs: ReadonlySet<SigningAlg>
  /** Throws the engine's error for a client that it refuses. */
  validate(metadata: ClientMetadata): Promise<unknown>
}

/**
 * The engine's own judgement of a client, before it is stored: it refuses at every request what it would refuse here.
 * Makes sure that there are keys for the algorithms that the client names.
 *
 * An engine costs more than what it judges, so that one judges all clients of a tenant in one transaction: of the keys
 * it looks at their algorithms alone, and those that the transaction has found or made are there until it ends.
 * @throws DomainError `client_invalid` with what the engine said
 */
export function createClientCheck(capabilities: Capabilities) {
  const { signing, database, config, sharedSecrets } = capabilities
  const judges = new WeakMap<Unit, Map<string, Judge>>()

  /** From memory where they are there: an algorithm that once has a key never loses its last one. */
  async function keysFor(tenant: string, wanted: SigningAlg[]): Promise<KeySet> {
    const known = signing.known(tenant)
    if (known && hasAll(new Set(known.published.map(({ alg }) => alg)), wanted)) return known
    await signing.ensure(tenant, wanted)
    return signing.open(tenant)
  }

  async function judgeFor(tenant: string, wanted: SigningAlg[]): Promise<Judge> {
    const keys = await keysFor(tenant, wanted)
    const encryption = await sharedSecrets.get(tenant, 'encryption')
    // Most commands judge no client, and the engine is a fifth of the modules that they would load.
    const { createJudge } = await import('./client-judge.ts')
    return {
      algs: new Set(keys.published.map(({ alg }) => alg)),
      validate: createJudge(capabilities, tenant, keys, encryption),
    }
  }

  async function judgeOf(tenant: string, wanted: SigningAlg[]): Promise<Judge> {
    const unit = database.current()
    if (!unit?.isOpen()) return judgeFor(tenant, wanted)
    const known = judges.get(unit) ?? new Map<string, Judge>()
    judges.set(unit, known)
    const judge = known.get(tenant)
    if (judge && hasAll(judge.algs, wanted)) return judge
    const fresh = await judgeFor(tenant, wanted)
    known.set(tenant, fresh)
    return fresh
  }

  return async (tenant: string, metadata: ClientMetadata): Promise<void> => {
    const fault =
      metadata.client_id === accountClientId
        ? `client_id: ${accountClientId} belongs to the pages of this server`
        : mtlsFault(config, metadata)
    if (fault) {
      throw new DomainError('client_invalid', {
        detail: { client_id: metadata.client_id, faults: [fault] },
      })
    }
    const judge = await judgeOf(tenant, algsOf(metadata))
    await judge.validate(metadata).catch((cause: Error) => {
      const { error_description: description } = cause as { error_description?: string }
      throw new DomainError('client_invalid', {
        detail: { client_id: metadata.client_id, faults: [description ?? cause.message] },
        cause,
      })
    })
  }
}

const hasAll = (algs: ReadonlySet<SigningAlg>, wanted: SigningAlg[]) =>
  wanted.every((alg) => algs.has(alg))

/** The algorithms that answers to a client are signed with. */
export function algsOf(metadata: Partial<ClientMetadata>): SigningAlg[] {
  return [
    metadata.id_token_signed_response_alg,
    metadata.userinfo_signed_response_alg,
    metadata.introspection_signed_response_alg,
    metadata.authorization_signed_response_alg,
  ].filter((alg) => alg !== undefined)
}
