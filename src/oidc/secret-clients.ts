import type Provider from 'oidc-provider'
import { type Client as EngineClient, errors } from 'oidc-provider'
import { type Client, type ClientMetadata, checkedMetadata } from '../clients/client.ts'
import type { IssuerContext } from './capabilities.ts'
import { hasFailedHere } from './client-guessing.ts'
import { mtlsFault } from './mtls.ts'

/** A client that an operator declared: as it is stored, and as the engine sees it. */
export interface SecretClient {
  client: Client
  metadata: ClientMetadata
  engine: EngineClient
}

/** Clients that an operator declared, authenticated by secret without the engine. */
export interface SecretClients {
  /**
   * Authenticates a client by its secret, sent in the registered way (P-043). Undefined in all other cases: the engine
   * then says why, and counts the failure.
   * @param ip where the request comes from
   */
  authenticate(
    credentials: { method: string; clientId: string; secret: string },
    ip: string,
  ): Promise<SecretClient | undefined>
  /** A declared client, however it authenticates; undefined where only the engine may answer. */
  declared(clientId: string): Promise<SecretClient | undefined>
}

export function createSecretClients(provider: Provider, context: IssuerContext): SecretClients {
  const { tenant, clients, config } = context
  /** Valid as long as `clients` returns the same object: a change replaces it. */
  const known = new WeakMap<Client, SecretClient>()

  async function usable(client: Client): Promise<SecretClient | undefined> {
    const before = known.get(client)
    if (before) return before
    const metadata = checkedMetadata(client).data
    const isDeclared = !client.selfRegistered && !client.fromDocument
    if (!metadata || !isDeclared || metadata.fapi || mtlsFault(config, metadata)) return undefined
    const engine = await provider.Client.find(client.clientId)
    if (!engine) return undefined
    const found = { client, metadata, engine }
    known.set(client, found)
    return found
  }

  return {
    async authenticate({ method, clientId, secret }, ip) {
      const client = await clients.find(tenant, clientId)
      if (!client || hasFailedHere(context, ip, clientId)) return undefined
      const registered = checkedMetadata(client).data?.token_endpoint_auth_method
      if (registered !== method || !clients.secretFits(client, secret)) return undefined
      return usable(client)
    },
    async declared(clientId) {
      const client = await clients.find(tenant, clientId)
      return client && usable(client)
    },
  }
}

/** Whether an error is the engine's word about a request, and no fault. */
export const isRefusal = (error: Error): boolean => error instanceof errors.OIDCProviderError
