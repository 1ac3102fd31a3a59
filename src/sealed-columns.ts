import { sealedClientSecrets } from './clients/client-secrets.ts'
import { sealedFactorSecrets } from './factors/factor.store.ts'
import type { SealedColumn } from './secrets/sealed-column.ts'
import { sealedSharedSecrets } from './secrets/shared-secrets.ts'
import { sealedSessionState } from './sessions/session.store.ts'
import { sealedSignalAuthorizations } from './signals/stream.store.ts'
import { sealedSigningKeys } from './signing/sealed-signer.ts'
import { sealedWebhookSecrets } from './webhooks/webhooks.ts'

/** All columns sealed under the key-encryption key: a start checks them and a rotation seals them again. */
export const sealedColumns: SealedColumn[] = [
  sealedSharedSecrets,
  sealedSigningKeys,
  sealedClientSecrets,
  sealedSessionState,
  sealedFactorSecrets,
  sealedWebhookSecrets,
  sealedSignalAuthorizations,
]
