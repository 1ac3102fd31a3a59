import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import type { SharedSecrets } from '../secrets/shared-secrets.ts'
import type { ClientMetadata } from './client.ts'
import { receiverOf } from './redirect-uri.ts'

/** The `sub` of a person at a client (OpenID Connect Core §8). */
export interface Subjects {
  /** The account's id; for a pairwise client a pseudonym, which nobody can link to those of other sectors. */
  of(tenant: string, client: SubjectMembers, accountId: string): Promise<string>
  /** The account of a subject; undefined if this server did not issue the subject. */
  accountBehind(tenant: string, client: SubjectMembers, sub: string): Promise<string | undefined>
}

export type SubjectMembers = Pick<
  ClientMetadata,
  'subject_type' | 'sector_identifier_uri' | 'redirect_uris' | 'jwks_uri' | 'grant_types'
>

/**
 * The sector of a client (OpenID Connect Core §8.1): a host, or a private-use scheme. Clients of one sector get the
 * same `sub` for a person. A redirect URI counts only if answers go there, as anybody could name another's; without
 * one, the client proves only its keys, so `jwks_uri` counts (OpenID CIBA Core §4).
 */
export function sectorOf(client: Omit<SubjectMembers, 'subject_type'>): string {
  const { sector_identifier_uri: uri, jwks_uri: keys, redirect_uris: answered } = client
  const [first] = client.grant_types.includes('authorization_code') ? answered : []
  return receiverOf(uri ?? first ?? keys ?? '')
}

/** The form of account ids: 16 bytes, of which six bits are fixed. */
const uuid = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/
const pairwise = /^[\w-]{22}$/

/**
 * A pairwise subject is the account's UUID encrypted as one block of AES-256, under a key derived from the tenant's
 * salt and the sector. It is unique and stable, meaningless without the salt, and can be decrypted without a table.
 */
export function createSubjects({ sharedSecrets }: { sharedSecrets: SharedSecrets }): Subjects {
  const salts = new Map<string, Buffer>()

  async function keyOf(tenant: string, client: SubjectMembers): Promise<Buffer> {
    const salt = salts.get(tenant) ?? (await sharedSecrets.get(tenant, 'pairwise'))
    salts.set(tenant, salt)
    return Buffer.from(hkdfSync('sha256', salt, '', `keyturn pairwise ${sectorOf(client)}`, 32))
  }

  return {
    async of(tenant, client, accountId) {
      if (client.subject_type !== 'pairwise') return accountId
      const key = await keyOf(tenant, client)
      const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
      return cipher.update(accountId.replaceAll('-', ''), 'hex').toString('base64url')
    },
    async accountBehind(tenant, client, sub) {
      if (client.subject_type !== 'pairwise') return uuid.test(sub) ? sub : undefined
      if (!pairwise.test(sub)) return undefined
      const key = await keyOf(tenant, client)
      const decipher = createDecipheriv('aes-256-ecb', key, null).setAutoPadding(false)
      const hex = decipher.update(Buffer.from(sub, 'base64url')).toString('hex')
      const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
      return uuid.test(id) ? id : undefined
    },
  }
}
