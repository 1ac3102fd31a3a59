import { expect } from 'chai'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import type { TestServer } from './boot.ts'
import { callback } from './fixtures.ts'
import { exchange, type Page } from './http-exchange.ts'

/** The client information response (RFC 7591 §3.2.1). */
export interface Information {
  client_id: string
  client_secret?: string
  client_secret_expires_at?: number
  client_id_issued_at: number
  registration_client_uri: string
  registration_access_token: string
  redirect_uris: string[]
  [member: string]: unknown
}

/** A web client that registers itself. */
export const selfDeclared = {
  client_name: 'A tool',
  redirect_uris: [callback],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'client_secret_basic',
}

interface Sent {
  body?: unknown
  token?: string
  headers?: Record<string, string>
}

/** Sends requests to the registration endpoint. */
export function registrar(server: () => TestServer) {
  function send(method: string, url: string, { body, token, headers }: Sent = {}): Promise<Page> {
    return exchange({
      method,
      url: new URL(url, server().issuer),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }
  return {
    send,
    register: (body: unknown, token?: string) =>
      send('POST', '/register', { body, ...(token === undefined ? {} : { token }) }),
    async declare(policy: Parameters<typeof registrationPolicy.parse>[0]): Promise<void> {
      const { registrationPolicies: policies } = server().core
      await policies.declare(defaultTenant, registrationPolicy.parse(policy))
    },
  }
}

/** The response of a successful registration. */
export function informationIn(page: Page): Information {
  expect(page.status, page.body).to.be.oneOf([200, 201])
  return page.json() as Information
}

/** @returns its description */
export function expectError(page: Page, status: number, error: string): string {
  expect(page.status, page.body).to.equal(status)
  const body = page.json() as { error: string; error_description: string; error_id: string }
  expect(body.error).to.equal(error)
  expect(body.error_id).to.be.a('string')
  return body.error_description
}
