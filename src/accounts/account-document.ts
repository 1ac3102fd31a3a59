import { z } from 'zod'
import { line } from '../line.ts'
import { hasUnseen, identifierKey, roles } from './account.ts'
import { importFault } from './imported-hash.ts'

/** What operators say of an account: one schema for the apply file, the command line and the admin API. */

/** What another system stored; verified as it is, replaced at the first sign-in. */
const passwordHash = z.string().superRefine((text, context) => {
  const message = importFault(text)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

/** Who somebody is. */
export const accountProfile = z.strictObject({
  email: z
    .string()
    .max(254)
    .regex(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u, { error: 'must be an e-mail address' })
    .refine((address) => !hasUnseen(address), {
      error:
        'must have no character that cannot be seen, such as those that turn the direction of text (U+202A to U+202E, U+2066 to U+2069)',
    }),
  username: line
    .refine((name) => !identifierKey(name).includes('@') && name === name.trim(), {
      error: 'must have no "@", so that it can never be an e-mail address, and no space around it',
    })
    .optional(),
  name: line.optional(),
  email_verified: z.boolean().optional(),
})

export const accountDeclaration = accountProfile.extend({
  password: z.string().optional(),
  roles: z.array(z.enum(roles)).optional(),
  disabled: z.boolean().optional(),
})

/** With a hash of another system in place of a password. */
export const importedAccount = accountDeclaration
  .extend({ password_hash: passwordHash.optional() })
  .refine(({ password, password_hash: hash }) => password === undefined || hash === undefined, {
    path: ['password_hash'],
    error: 'must not stand beside password: an account has one of them',
  })
