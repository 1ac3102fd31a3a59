import type { Core } from '../../src/core.ts'
import { type SigningAlg } from '../../src/signing/signing-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { eventually } from './eventually.ts'

/** Creates keys of algorithms that the default tenant does not start with, as if published long ago. */
export async function activeKeys(core: Core, algs: SigningAlg[]): Promise<void> {
  await core.signing.ensure(defaultTenant, algs)
  await core.database.execute(
    `update signing_keys set activate_at = publish_at, changed_at = changed_at + interval '1 ms'
     where tenant_id = $1 and retire_at is null and activate_at > publish_at`,
    [defaultTenant],
  )
  await eventually('the keys sign', async () => {
    const { signing } = await core.signing.current(defaultTenant)
    return algs.every((alg) => signing.some((key) => key.alg === alg))
  })
}
