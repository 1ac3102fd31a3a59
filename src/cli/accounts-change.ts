import { DomainError } from '../errors.ts'
import { operator } from '../revocation/revocation.ts'
import { accountOutput, renderOneTimePassword } from './account-output.ts'
import { ofOneAccount } from './one-account.ts'

const setDisabled = (disabled: boolean) =>
  ofOneAccount({
    async execute(core, account, { force }) {
      const how = { ...operator, force }
      const changed = await core.revocations.setAccountDisabled(account, disabled, how)
      return { account: accountOutput({ ...account, disabled }), changed }
    },
    render({ account: { email }, changed }) {
      const state = disabled ? 'disabled' : 'enabled'
      return changed ? `${email} is now ${state}.` : `${email} was already ${state}.`
    },
  })

/** `accounts disable`: `{ account, changed }`. */
export const accountsDisable = setDisabled(true)

/** `accounts enable`: `{ account, changed }`. */
export const accountsEnable = setDisabled(false)

/** `accounts reset`: `{ account, one_time_password, one_time_password_expires_in }`. */
export const accountsReset = ofOneAccount({
  async execute(core, account) {
    const ready = await core.accounts.readyOneTime()
    const oneTimePassword = await core.database.transaction(async () => {
      await core.revocations.passwordChanged(account)
      // Checked under the lock: it may have been deleted while this waited.
      if (!(await core.accounts.find(account.tenant, account.id))) {
        throw new DomainError('account_not_found', { detail: { account_id: account.id } })
      }
      // Nobody has guessed at the new password yet, and a lock would make it useless.
      await core.lockouts.lift(account.tenant, account.id, 'operator')
      return core.accounts.resetPassword(account, ready)
    })
    return {
      account: accountOutput(account),
      one_time_password: oneTimePassword,
      one_time_password_expires_in: core.config.oneTimePasswordTtl,
    }
  },
  render: ({ account, ...password }) =>
    [
      `The password of ${account.email} is no longer valid, and the account is signed out everywhere.`,
      renderOneTimePassword(password),
      ...(account.disabled ? ['The account is disabled; "accounts enable" lets it sign in.'] : []),
    ].join('\n'),
})

/** `accounts unlock`: `{ account, changed }`. */
export const accountsUnlock = ofOneAccount({
  async execute(core, account) {
    const changed = await core.lockouts.lift(account.tenant, account.id, 'operator')
    return { account: accountOutput(account), changed }
  },
  render: ({ account: { email }, changed }) =>
    changed ? `${email} is unlocked and can sign in from anywhere.` : `${email} was not locked.`,
})

/** `accounts remove-factors`: `{ account, removed }`. */
export const accountsRemoveFactors = ofOneAccount({
  async execute(core, account) {
    const { tenant, id } = account
    const removed = await core.database.transaction(async () => {
      const factors = await core.factors.removeAll(tenant, id, { by: 'operator' })
      const codes = await core.mailedCodes.turnOff(tenant, id, { by: 'operator' })
      return factors + (codes ? 1 : 0)
    })
    return { account: accountOutput(account), removed }
  },
  render: ({ account: { email }, removed }) =>
    removed > 0
      ? `${email} now signs in with the password only; second factors removed: ${removed}.`
      : `${email} had no second factor.`,
})

/** `accounts sign-out`: `{ account }`. */
export const accountsSignOut = ofOneAccount({
  async execute(core, account) {
    await core.revocations.logOutEverywhere(account)
    return { account: accountOutput(account) }
  },
  render: ({ account: { email } }) =>
    `${email} is signed out everywhere: sessions, refresh tokens, access tokens and consent have ended.`,
})
