import type { Configuration } from 'oidc-provider'
import {
  assertionAlgs,
  clientSigningAlgs,
  encryptionAlgs,
  encryptionEncs,
} from '../clients/client-jose.ts'
import { ownEncryptionAlg } from './encryption-key.ts'

/** The algorithms of each kind of object; none of them is `none`, and none needs a secret but client assertions. */
export const enabledAlgorithms = {
  clientAuthSigningAlgValues: [...assertionAlgs],
  requestObjectSigningAlgValues: [...clientSigningAlgs],
  requestObjectEncryptionAlgValues: [ownEncryptionAlg],
  requestObjectEncryptionEncValues: [...encryptionEncs],
  idTokenEncryptionAlgValues: [...encryptionAlgs],
  idTokenEncryptionEncValues: [...encryptionEncs],
  userinfoEncryptionAlgValues: [...encryptionAlgs],
  userinfoEncryptionEncValues: [...encryptionEncs],
  introspectionEncryptionAlgValues: [...encryptionAlgs],
  introspectionEncryptionEncValues: [...encryptionEncs],
  authorizationEncryptionAlgValues: [...encryptionAlgs],
  authorizationEncryptionEncValues: [...encryptionEncs],
} satisfies Configuration['enabledJWA']
