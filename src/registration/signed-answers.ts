import type { SigningAlg } from '../signing/signing-key.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { refusedMetadata } from './asked-metadata.ts'

/** The members that choose signing algorithms of answers. */
const signedMembers = [
  'id_token_signed_response_alg',
  'userinfo_signed_response_alg',
  'introspection_signed_response_alg',
  'authorization_signed_response_alg',
]

/**
 * Refuses algorithms without a key, so that no client makes this server generate keys.
 * @throws DomainError `client_metadata_invalid`
 */
export async function assertSigned(
  signing: Pick<SigningKeys, 'current'>,
  tenant: string,
  asked: Record<string, unknown>,
): Promise<void> {
  const algs = (await signing.current(tenant)).signing.map(({ alg }) => alg).toSorted()
  const faults = signedMembers
    .filter((member) => asked[member] !== undefined && !algs.includes(asked[member] as SigningAlg))
    .map(
      (member) => `${member}: must be one of ${algs.join(', ')}, it is ${inWords(asked[member])}`,
    )
  if (faults.length > 0) throw refusedMetadata(faults)
}

const inWords = (value: unknown) =>
  typeof value === 'string' ? value.slice(0, 100) : 'not a string'
