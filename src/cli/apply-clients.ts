import { secretsOf } from '../clients/client.ts'
import type { CheckedDeclaration, DeclaredClient } from '../clients/clients.ts'
import type { Sections } from './apply-file.ts'
import { collect, type Outcome, type Work } from './apply-work.ts'
import type { StoredItem } from './stored.ts'

/**
 * Creates and updates clients as declared, in few statements however many there are.
 * @param before what is stored, by id
 * @returns the outcomes of those without faults
 */
export async function declareClients(
  work: Work,
  tenant: string,
  clients: Sections['clients'],
  before: ReadonlyMap<string, StoredItem>,
): Promise<Outcome[]> {
  const { core, documents, secrets } = work
  const sound: Array<{ checked: CheckedDeclaration; disabled: boolean | undefined }> = []
  for (const { disabled, ...client } of clients) {
    await collect(work, `client ${client.client_id}`, async () => {
      sound.push({ checked: await core.clients.checked(tenant, client, documents), disabled })
    })
  }
  const put = await core.clients.put(
    tenant,
    sound.map(({ checked }) => checked),
  )
  const done: Outcome[] = []
  for (const [at, { checked, disabled }] of sound.entries()) {
    const { clientId: id, clientSecret, secretChanged, ...declared } = put[at] as DeclaredClient
    if (clientSecret !== undefined) {
      secrets.push({ tenant, client_id: id, client_secret: clientSecret })
    }
    const hasSecret = secretsOf(checked.metadata.token_endpoint_auth_method) !== 'none'
    const secret = secretChanged && hasSecret ? 'client_secret' : undefined
    let { outcome } = declared
    // Disabling a disabled client would revoke its tokens anew: a second apply would not be a no-op.
    if (disabled !== undefined && disabled !== (before.get(id)?.['disabled'] === true)) {
      await collect(work, `client ${id}`, async () => {
        const changed = await core.revocations.setClientDisabled(tenant, id, disabled)
        if (changed && outcome === 'unchanged') outcome = 'updated'
      })
    }
    done.push({ id, outcome, secret })
  }
  return done
}
