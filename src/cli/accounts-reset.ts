import {
  type AccountCommand,
  type AccountOutput,
  accountOutput,
  findAccount,
  type OneTimePasswordOutput,
  ofOneAccount,
  renderOneTimePassword,
} from './account-output.ts'

type Output = { account: AccountOutput } & OneTimePasswordOutput

/** `accounts reset`: `{ account, one_time_password, one_time_password_expires_in }`. */
export const accountsReset: AccountCommand<Output> = {
  ...ofOneAccount,
  async execute(core, wanted) {
    const account = await findAccount(core, wanted)
    const oneTimePassword = await core.database.transaction(async () => {
      await core.revocations.passwordChanged(account)
      // What is handed out now nobody has guessed at; it would be of no use behind a lock.
      await core.lockouts.lift(account.tenant, account.id, 'operator')
      return core.accounts.resetPassword(account)
    })
    return {
      account: accountOutput(account),
      one_time_password: oneTimePassword,
      one_time_password_expires_in: core.config.oneTimePasswordTtl,
    }
  },
  render: ({ account, ...password }) =>
    [
      `The password of ${account.email} is void now, and it is signed out everywhere.`,
      renderOneTimePassword(password),
      ...(account.disabled ? ['The account is disabled: "accounts enable" lets it sign in.'] : []),
    ].join('\n'),
}
