import {
  type AccountCommand,
  type AccountOutput,
  accountOutput,
  findAccount,
  ofOneAccount,
} from './account-output.ts'

interface Output {
  account: AccountOutput
  changed: boolean
}

/** `accounts unlock`: `{ account, changed }`. */
export const accountsUnlock: AccountCommand<Output> = {
  ...ofOneAccount,
  async execute(core, wanted) {
    const account = await findAccount(core, wanted)
    const changed = await core.lockouts.lift(account.tenant, account.id, 'operator')
    return { account: accountOutput(account), changed }
  },
  render: ({ account, changed }) =>
    changed
      ? `${account.email} is unlocked: its owner may sign in from everywhere.`
      : `${account.email} was not locked.`,
}
