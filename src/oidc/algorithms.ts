import type { Configuration } from 'oidc-provider'
import {
  assertionAlgs,
  clientSigningAlgs,
  encryptionAlgs,
  encryptionEncs,
} from '../clients/client-jose.ts'
import { ownEncryptionAlg } from './encryption-key.ts'

/** The algorithms by kind of object. None of them is `none`; only client assertions may use a shared secret. */
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
