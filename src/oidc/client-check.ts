import type { ClientMetadata } from '../clients/client.ts'
import { DomainError } from '../errors.ts'
import type { KeySet } from '../signing/key-set.ts'
import type { SigningAlg } from '../signing/signing-key.ts'
import type { Unit } from '../storage/unit.ts'
import { accountClientId } from './account-client.ts'
import type { Capabilities } from './capabilities.ts'
import { mtlsFault } from './mtls.ts'

/** An engine that validates clients of a tenant, and the algorithms that it has keys for. */
interface Judge {
  algs: ReadonlySet<SigningAlg>
  /** Throws the engine's error for a client that it refuses. */
  validate(metadata: ClientMetadata): Promise<unknown>
}

/**
 * Has the engine validate a client before it is stored: else it would refuse the client at every request. Makes sure
 * that there are keys for the algorithms that the client names.
 *
 * Building an engine costs more than validating. One therefore validates all clients of a tenant in one transaction: it
 * looks only at the algorithms of the keys, and keys that the transaction has found or made exist until it ends.
 * @throws DomainError `client_invalid` with what the engine said
 */
export function createClientCheck(capabilities: Capabilities) {
  const { signing, database, config, sharedSecrets } = capabilities
  const judges = new WeakMap<Unit, Map<string, Judge>>()

  /** Uses the keys in memory if they suffice: an algorithm that once has a key never loses its last one. */
  async function keysFor(tenant: string, wanted: SigningAlg[]): Promise<KeySet> {
    const known = signing.known(tenant)
    if (known && hasAll(new Set(known.published.map(({ alg }) => alg)), wanted)) return known
    await signing.ensure(tenant, wanted)
    return signing.open(tenant)
  }

  async function judgeFor(tenant: string, wanted: SigningAlg[]): Promise<Judge> {
    const keys = await keysFor(tenant, wanted)
    const encryption = await sharedSecrets.get(tenant, 'encryption')
    // Loaded on demand: most commands validate no client, and the engine is a fifth of the modules that they would
    // load.
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
        ? `client_id: ${accountClientId} is reserved for the pages of this server`
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
