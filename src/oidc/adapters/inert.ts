import type { Adapter } from 'oidc-provider'

export const nothing = async () => undefined

/** Verbs that do nothing, for models that have no use for them: an adapter spreads these and adds its own. */
export const inert: Pick<
  Adapter,
  'consume' | 'destroy' | 'findByUid' | 'findByUserCode' | 'revokeByGrantId'
> = {
  consume: nothing,
  destroy: nothing,
  findByUid: nothing,
  findByUserCode: nothing,
  revokeByGrantId: nothing,
}
