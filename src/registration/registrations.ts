import { randomUUID } from 'node:crypto'
import type { Config } from '../../config/config.ts'
import { networkOf } from '../attempts/network.ts'
import type { Audit } from '../audit/audit.ts'
import type { Client } from '../clients/client.ts'
import type { Clients, DeclaredClient } from '../clients/clients.ts'
import { withoutAnswer } from '../clients/sector-documents.ts'
import { sectorOf } from '../clients/subjects.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Limiter, Share } from '../limits/limiter.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import type { Revocations } from '../revocation/revocation.ts'
import { hashOf, newHandle } from '../secrets/handle.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { createTurns } from '../storage/in-turn.ts'
import { issuerOf } from '../tenants/tenant.ts'
import { askedMetadata, refusedMetadata } from './asked-metadata.ts'
import { deleteExpiredClients } from './expired-clients.ts'
import { createInitialTokens, type InitialTokens } from './initial-tokens.ts'
import { operatorsWord, withOperatorsWord } from './operators-word.ts'
import type { RegistrationPolicies } from './policies.ts'
import { type RegistrationPolicy, registrable } from './policy.ts'
import { createRegisteredClientStore, roomFor } from './registered-clients.ts'
import { assertSigned } from './signed-answers.ts'
import { createSoftwareStatements, type Vouched } from './software-statements.ts'
import { createTokenStore } from './tokens.store.ts'

/** Clients that register and manage themselves (RFC 7591, RFC 7592). */
export interface Registrations {
  /**
   * @throws DomainError `not_found` where registration is off, `registration_token_invalid`, `client_metadata_invalid`,
   *   `redirect_uri_invalid`, `registration_full`, `too_many_requests`, `software_statement_invalid`,
   *   `software_statement_unapproved`, `issuer_keys_unavailable`
   */
  register(tenant: string, body: Body, caller: Caller): Promise<Registered>
  /** @throws DomainError `not_found`, `registration_token_invalid` */
  read(tenant: string, clientId: string, caller: Caller): Promise<Registered>
  /**
   * Replaces the metadata (RFC 7592 §2.2) and the registration access token. Of concurrent requests with one token, one
   * succeeds. What an operator has set stays.
   * @throws DomainError as `register` does
   */
  replace(tenant: string, clientId: string, body: Body, caller: Caller): Promise<Registered>
  /** Deletes it with everything it ever got. @throws DomainError `not_found`, `registration_token_invalid` */
  delete(tenant: string, clientId: string, caller: Caller): Promise<void>
  /** Notes that a client got a token, which delays its expiry. */
  noteUse(tenant: string, clientId: string): Promise<void>
  initialTokens: InitialTokens
  /** Deletes expired clients and tokens. @returns how many */
  sweep(): Promise<number>
}

type Body = Record<string, unknown>

export interface Caller {
  /** The bearer token, if there was one. */
  token: string | undefined
  ip: string
  userAgent?: string | undefined
}

/** The client information response (RFC 7591 §3.2.1) without addresses; secrets only if generated now. */
export interface Registered {
  clientId: string
  metadata: Record<string, unknown>
  /** Milliseconds since the epoch. */
  registeredAt: number
  clientSecret?: string
  /** The currently valid one. */
  registrationAccessToken: string
}

/** The limit of all registrations without a token. */
const ofTenant: Share = { limit: 'registration_tenant', subject: 'all' }
/**
 * The most registrations that wait in this process: they are counted one at a time (`registered.add`). Those with a
 * token have their own queue, so that anonymous ones do not delay them.
 */
const mostWaiting = 32

export function createRegistrations(
  deps: Pick<Platform, 'database' | 'clock' | 'fetch'> & {
    clients: Clients
    policies: RegistrationPolicies
    limiter: Limiter
    revocations: Revocations
    audit: Audit
    signing: Pick<SigningKeys, 'current'>
    config: Pick<Config, 'issuer'>
  },
): Registrations {
  const { signing, database, clock, clients, policies, limiter, revocations, audit } = deps
  const registered = createRegisteredClientStore(deps)
  const tokens = createTokenStore(deps)
  const statements = createSoftwareStatements(deps)
  const strangersInTurn = createTurns({ clock, most: mostWaiting })
  const inTurn = createTurns({ clock, most: mostWaiting })

  async function policyOf(tenant: string): Promise<RegistrationPolicy> {
    const policy = await policies.of(tenant)
    if (policy.mode === 'off') throw new DomainError('not_found', { detail: 'registration is off' })
    return policy
  }

  /** Only successful registrations are charged to the tenant: else failing requests could close it for others. */
  async function counted<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    await limiter.take(tenant, ofTenant)
    return work().catch(async (error: unknown) => {
      await limiter.giveBack(tenant, ofTenant)
      throw error
    })
  }

  /** A failure that is not the caller's fault is not charged to its network. */
  async function fromNetwork<T>(tenant: string, ip: string, work: () => Promise<T>): Promise<T> {
    const share: Share = { limit: 'registration_network', subject: networkOf(ip) }
    await limiter.take(tenant, share)
    return work().catch(async (error: unknown) => {
      if (!isOfCaller(error)) await limiter.giveBack(tenant, share)
      throw error
    })
  }

  const wrongToken = (detail: string) => new DomainError('registration_token_invalid', { detail })

  /** All faults get the same answer, so that it does not reveal which clients exist. */
  async function authorize(tenant: string, clientId: string, token: string | undefined) {
    if (token === undefined) throw wrongToken('the request has no token')
    const hash = hashOf(token)
    if (!(await tokens.manages(tenant, hash, clientId))) {
      throw wrongToken(
        'the token is unknown, was replaced, belongs to another client, or its client is disabled',
      )
    }
    return hash
  }

  /** Applies the rules for all clients, and answers their faults as registration errors. */
  const declare = (
    tenant: string,
    declaration: Body,
    documents: Awaited<ReturnType<Clients['prepare']>>,
  ): Promise<DeclaredClient> =>
    clients.declare(tenant, declaration, documents).catch((error: unknown) => {
      if (!isDomainError(error, 'client_invalid')) throw error
      const { faults } = error.detail as { faults: string[] }
      throw refusedMetadata(faults.map(String), faults.map(String).map(withoutAnswer))
    })

  async function answer(
    tenant: string,
    clientId: string,
    registrationAccessToken: string,
    clientSecret?: string,
  ): Promise<Registered> {
    const [client, found] = await Promise.all([
      clients.find(tenant, clientId),
      registered.find(tenant, clientId),
    ])
    if (!client || !found) throw wrongToken('the client was deleted')
    const { registeredAt, statement } = found
    return {
      clientId,
      metadata: {
        ...ownMembers(client),
        ...present({ software_statement: statement }),
      },
      registeredAt,
      ...present({ clientSecret }),
      registrationAccessToken,
    }
  }

  /** The declaration, and who vouches for it. */
  async function declarationOf(
    tenant: string,
    clientId: string,
    body: Body,
    policy: RegistrationPolicy,
    before?: string,
  ): Promise<{ declaration: Body; vouched: Vouched | undefined }> {
    const vouched = await statements.judge(policy, {
      issuer: issuerOf(deps.config.issuer, tenant),
      presented: body['software_statement'] ?? undefined,
      before,
    })
    const asked = askedMetadata({ ...body, ...vouched?.members }, policy)
    await assertSigned(signing, tenant, asked)
    return { declaration: { ...asked, client_id: clientId }, vouched }
  }

  /** The client's declaration with the operator's members restored. @param lock as in `ClientViews.view` */
  async function bounded(tenant: string, clientId: string, declared: Body, lock = false) {
    const view = await clients.views.view(tenant, clientId, clock.now(), lock)
    const own = await registered.find(tenant, clientId)
    if (!view || !own) throw wrongToken('the client was deleted')
    const word = operatorsWord(own.metadata, view.metadata)
    const { metadata: stored } = view
    return { word, stored, declaration: withOperatorsWord(declared, stored, word) }
  }

  async function assertOwnSecret(tenant: string, clientId: string, secret: unknown): Promise<void> {
    if (secret === undefined || secret === null) return
    const client = await clients.find(tenant, clientId)
    if (client && typeof secret === 'string' && clients.secretFits(client, secret)) return
    throw refusedMetadata(['client_secret: must be the current secret of the client, or absent'])
  }

  return {
    async register(tenant, body, { token, ip, userAgent }) {
      const policy = await policyOf(tenant)
      if (token === undefined && policy.mode === 'token')
        throw wrongToken('the request has no token')
      const hash = token === undefined ? undefined : hashOf(token)
      if (hash !== undefined && !(await tokens.isInitial(tenant, hash))) {
        throw wrongToken('the token is unknown, used up or expired')
      }
      const make = async (): Promise<Registered> => {
        const clientId = randomUUID()
        const { declaration, vouched } = await declarationOf(tenant, clientId, body, policy)
        const documents = await clients.prepare([{ tenant, declaration }])
        const registrationAccessToken = newHandle()
        const add = async (): Promise<Registered> => {
          const by = hash === undefined ? undefined : await tokens.takeInitial(tenant, hash)
          if (hash !== undefined && by === undefined)
            throw wrongToken('the token was used up meanwhile')
          const { clientSecret } = await declare(tenant, declaration, documents)
          const network = hash === undefined ? networkOf(ip) : undefined
          await registered.add(tenant, clientId, roomFor(policy, network))
          await registered.keepOwnWord(tenant, clientId, vouched?.statement)
          await tokens.addManagement(tenant, clientId, hashOf(registrationAccessToken))
          const detail = {
            ...(by === undefined ? { mode: 'open' } : { mode: 'token', initial_access: by }),
            ...(vouched ? { vouched_by: vouched.issuer } : {}),
          }
          await audit.record(tenant, { type: 'client.registered', clientId, ip, userAgent, detail })
          return answer(tenant, clientId, registrationAccessToken, clientSecret)
        }
        const work = () => database.transaction(add)
        return hash === undefined ? strangersInTurn(() => counted(tenant, work)) : inTurn(work)
      }
      if (hash !== undefined) return make()
      limiter.assertLeft(tenant, ofTenant)
      return fromNetwork(tenant, ip, make)
    },

    async read(tenant, clientId, { token }) {
      await policyOf(tenant)
      await authorize(tenant, clientId, token)
      return answer(tenant, clientId, token as string)
    },

    async replace(tenant, clientId, body, { token, ip, userAgent }) {
      const policy = await policyOf(tenant)
      const hash = await authorize(tenant, clientId, token)
      return fromNetwork(tenant, ip, async () => {
        if (body['client_id'] !== clientId) {
          throw refusedMetadata(['client_id: must be the client_id in the URL (RFC 7592 §2.2)'])
        }
        await assertOwnSecret(tenant, clientId, body['client_secret'])
        const before = (await registered.find(tenant, clientId))?.statement
        const made = await declarationOf(tenant, clientId, body, policy, before)
        const { declaration } = await bounded(tenant, clientId, made.declaration)
        const documents = await clients.prepare([{ tenant, declaration }])
        const next = newHandle()
        return database.transaction(async () => {
          // Again, with a lock: an operator may have changed the client in between.
          const bound = await bounded(tenant, clientId, made.declaration, true)
          if (!(await tokens.replaceManagement(tenant, clientId, hash, hashOf(next)))) {
            throw wrongToken('the token was replaced meanwhile')
          }
          const { clientSecret, outcome } = await declare(tenant, bound.declaration, documents)
          // Checked after `declare`, which validates the types; a refusal rolls the transaction back.
          assertSectorStays(bound.stored, bound.declaration)
          await registered.keepOwnWord(tenant, clientId, made.vouched?.statement, bound.word)
          if (outcome === 'updated') {
            await audit.record(tenant, { type: 'client.changed', clientId, ip, userAgent })
          }
          return answer(tenant, clientId, next, clientSecret)
        })
      })
    },

    async delete(tenant, clientId, { token, ip, userAgent }) {
      await policyOf(tenant)
      await authorize(tenant, clientId, token)
      await revocations
        .deleteClient(tenant, clientId, { by: 'client', ip, userAgent })
        .catch((error: unknown) => {
          // Deleted concurrently, so the request is fulfilled.
          if (!isDomainError(error, 'client_not_found')) throw error
        })
    },

    async noteUse(tenant, clientId) {
      const { unused_days: days } = await policies.of(tenant)
      await registered.use(tenant, clientId, days)
    },

    initialTokens: createInitialTokens({ ...deps, tokens }),
    sweep: async () =>
      (await tokens.sweep()) + (await deleteExpiredClients({ ...deps, registered })),
  }
}

/** Whether the caller is at fault. `registration_full` may come from the limit of its own network (`roomFor`). */
function isOfCaller(error: unknown): boolean {
  if (!isDomainError(error)) return false
  return error.code === 'registration_full' || (error.status < 500 && error.status !== 429)
}

/**
 * Refuses to move a client that may have tokens to the sector of others: it would learn by which `sub` they know its
 * people (OpenID Connect Core §8.1). A document at `sector_identifier_uri` does not help: it lists redirect URIs that
 * anybody can register in place of their own, once they have tokens.
 * @throws DomainError `client_metadata_invalid`
 */
function assertSectorStays(before: Body, declared: Body): void {
  if (declared['subject_type'] !== 'pairwise') return
  const sector = (members: Body) =>
    sectorOf({ grant_types: ['authorization_code'], redirect_uris: [], ...members } as never)
  if (before['subject_type'] === 'pairwise' && sector(before) === sector(declared)) return
  throw refusedMetadata([
    'subject_type: a registered client cannot become pairwise or change its sector, as it may have tokens; register a new client',
  ])
}

/** The members that a client may read of itself: those that it may register. */
function ownMembers({ metadata }: Client): Record<string, unknown> {
  const stored = metadata as Record<string, unknown>
  const usesCode = (stored['grant_types'] as string[]).includes('authorization_code')
  return {
    response_types: usesCode ? ['code'] : [],
    ...Object.fromEntries(
      registrable.flatMap((member) =>
        stored[member] === undefined ? [] : [[member, stored[member]]],
      ),
    ),
  }
}
