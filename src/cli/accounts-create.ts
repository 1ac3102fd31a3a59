import { z } from 'zod'
import { accountDeclaration } from '../accounts/account-document.ts'
import { present } from '../present.ts'
import {
  type AccountOutput,
  accountOutput,
  type OneTimePasswordOutput,
  renderOneTimePassword,
} from './account-output.ts'
import { type Command, optionalText, textOption, UsageError } from './command.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  account: accountDeclaration.omit({ disabled: true }),
})

type Output = { account: AccountOutput } & Partial<OneTimePasswordOutput>

/** `accounts create`: `{ account, one_time_password?, one_time_password_expires_in? }`. */
export const accountsCreate: Command<z.infer<typeof input>, Output> = {
  input,
  async prepare(args, io) {
    const { options } = args
    return {
      ...tenantOption(args),
      account: {
        email: textOption(args, 'email').trim(),
        ...present({ username: optionalText(args, 'username'), name: optionalText(args, 'name') }),
        ...(options['emailVerified'] ? { email_verified: true } : {}),
        ...(options['operator'] ? { roles: ['operator' as const] } : {}),
        ...(options['passwordStdin'] ? { password: await passwordFrom(io.stdin()) } : {}),
      },
    }
  },
  async execute(core, { tenant, account: { email_verified: emailVerified, ...wanted } }) {
    await assertTenant(core, tenant)
    const { language } = core.config
    const { account, oneTimePassword } = await core.accounts.create(tenant, {
      ...wanted,
      emailVerified,
    })
    if (core.mail.isOn && !account.emailVerified) {
      await core.emailAddresses.askVerification(account, { by: 'operator', language })
    }
    return {
      account: accountOutput(account),
      ...(oneTimePassword === undefined
        ? {}
        : {
            one_time_password: oneTimePassword,
            one_time_password_expires_in: core.config.oneTimePasswordTtl,
          }),
    }
  },
  render({ account, one_time_password, one_time_password_expires_in }) {
    const created = `Created ${account.email} (${account.id}).`
    if (one_time_password === undefined || one_time_password_expires_in === undefined)
      return created
    return `${created}\n${renderOneTimePassword({ one_time_password, one_time_password_expires_in })}`
  },
}

async function passwordFrom(stdin: Promise<string>): Promise<string> {
  const password = (await stdin).replace(/\r?\n$/, '')
  if (password === '') throw new UsageError('--password-stdin: standard input is empty')
  return password
}
