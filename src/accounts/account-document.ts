import { z } from 'zod'
import { line } from '../line.ts'
import { hasUnseen, identifierKey, roles } from './account.ts'
import { importFault } from './imported-hash.ts'

/** Accounts as operators declare them: one schema for the apply file, the command line and the admin API. */

/** The hash that another system stored; verified as it is, and replaced at the first sign-in. */
const passwordHash = z.string().superRefine((text, context) => {
  const message = importFault(text)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

/** Profile data of an account. */
export const accountProfile = z.strictObject({
  email: z
    .string()
    .max(254)
    .regex(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u, { error: 'must be an e-mail address' })
    .refine((address) => !hasUnseen(address), {
      error:
        'must have no invisible characters, such as those that change the direction of text (U+202A to U+202E, U+2066 to U+2069)',
    }),
  username: line
    .refine((name) => !identifierKey(name).includes('@') && name === name.trim(), {
      error:
        'must have no "@", which is reserved for e-mail addresses, and no space at its start or end',
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

/** The same, with the hash of another system instead of a password. */
export const importedAccount = accountDeclaration
  .extend({ password_hash: passwordHash.optional() })
  .refine(({ password, password_hash: hash }) => password === undefined || hash === undefined, {
    path: ['password_hash'],
    error: 'must not be combined with password: an account has one of them',
  })
