import {
  type AccountCommand,
  type AccountOutput,
  accountOutput,
  findAccount,
  ofOneAccount,
} from './account-output.ts'

/** `accounts sign-out`: `{ account }`. */
export const accountsSignOut: AccountCommand<{ account: AccountOutput }> = {
  ...ofOneAccount,
  async execute(core, wanted) {
    const account = await findAccount(core, wanted)
    await core.revocations.logOutEverywhere(account)
    return { account: accountOutput(account) }
  },
  render: ({ account }) =>
    `${account.email} is signed out everywhere: sessions, refresh tokens, access tokens and consent have ended.`,
}
