import {
  type AccountCommand,
  type AccountOutput,
  accountOutput,
  findAccount,
  ofOneAccount,
} from './account-output.ts'

interface Output {
  account: AccountOutput
  removed: number
}

/** `accounts remove-factors`: `{ account, removed }`. */
export const accountsRemoveFactors: AccountCommand<Output> = {
  ...ofOneAccount,
  async execute(core, wanted) {
    const account = await findAccount(core, wanted)
    const { tenant, id } = account
    const removed = await core.database.transaction(async () => {
      const factors = await core.factors.removeAll(tenant, id, { by: 'operator' })
      const codes = await core.mailedCodes.turnOff(tenant, id, { by: 'operator' })
      return factors + (codes ? 1 : 0)
    })
    return { account: accountOutput(account), removed }
  },
  render: ({ account, removed }) =>
    removed > 0
      ? `${account.email} signs in with the password alone; second factors removed: ${removed}.`
      : `${account.email} had no second factor.`,
}
