import { z } from 'zod'
import type { Config } from '../../config/config.ts'

/** Every mail that the server sends. */
export const mailKinds = [
  'reset',
  'verification',
  'password_changed',
  'email_change',
  'email_changing',
  'email_changed',
  'username_changed',
  'new_device',
  'new_country',
  'sign_up',
  'sign_up_known',
  'invitation',
  'factor_added',
  'factor_removed',
  'recovery_codes_made',
  'recovery_code_used',
  'email_code',
  'data_downloaded',
  'account_deleted',
] as const
export type MailKind = (typeof mailKinds)[number]

/** What is stored of one until it is delivered: no secret, and no link either. */
export const pendingMail = z.object({
  kind: z.enum(mailKinds),
  /** Absent where there is no account yet. */
  account_id: z.string().optional(),
  language: z.enum(['en', 'de']),
  /** The same of an enrolment token. */
  enrolment_id: z.string().optional(),
  /** Whom it goes to; absent when a token or the code says it. */
  to: z.string().optional(),
  /** Of the action token that its link carries. */
  token_id: z.string().optional(),
  /** Of the code that it has. */
  code_id: z.string().optional(),
  /** Milliseconds since the epoch: when it happened. */
  at: z.number(),
  /** Where it came from, as far as its reader may want to know. */
  ip: z.string().optional(),
  /** An address that it speaks of. */
  address: z.string().optional(),
  /** What a browser says of itself, in the words of the language. */
  device: z.string().optional(),
  /** Of the IP address (ISO 3166-1). */
  country: z.string().optional(),
})
export type PendingMail = z.infer<typeof pendingMail>

export type MailLanguage = Config['language']

/** What a text is written from. */
export interface MailFacts {
  /** What the deployment calls itself. */
  site: string
  /** The issuer, where everything starts. */
  home: string
  link?: string | undefined
  code?: string | undefined
  /** Minutes that the link or the code is good for. */
  minutes: number
  /** Until when it is good, in words, where that is not minutes. */
  until?: string | undefined
  /** In words. */
  at: string
  ip?: string | undefined
  address?: string | undefined
  device?: string | undefined
  /** In words. */
  country?: string | undefined
}

export interface MailText {
  subject: string
  /** Paragraphs before the link, and after it. */
  before: string[]
  after: string[]
}

/** What a language says: one file each. */
export type MailTexts = Record<MailKind, (facts: MailFacts) => MailText>
