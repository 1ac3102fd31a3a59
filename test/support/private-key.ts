import { createPublicKey, verify } from 'node:crypto'
import type { JWK } from 'jose'
import type { Core } from '../../src/core.ts'
import type { OpenSigningKey } from '../../src/signing/key-set.ts'
import { schemes } from '../../src/signing/sealed-signer.ts'

/** A private signing key out of its row, as nobody but its signer ever sees it. */
export async function privateJwkOf(core: Core, tenant: string, kid: string): Promise<JWK> {
  const [row] = await core.database.query<{ private_jwk: string }>(
    'select private_jwk from signing_keys where tenant_id = $1 and kid = $2',
    [tenant, kid],
  )
  return JSON.parse(core.sealer.open(`signing-key:${tenant}:${kid}`, row?.private_jwk ?? '')) as JWK
}

/** Whether what a key signs is verified by its public part. */
export async function signsWell({ alg, publicJwk, sign }: OpenSigningKey): Promise<boolean> {
  const data = Buffer.from('anything')
  const { digest, options } = schemes[alg]
  const key = createPublicKey({ key: publicJwk, format: 'jwk' })
  return verify(digest, data, { key, ...options }, await sign(data))
}
