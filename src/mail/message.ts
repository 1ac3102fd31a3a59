import { z } from 'zod'
import type { Config } from '../../config/config.ts'

/** Every kind of mail. */
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

/** What is stored of a mail until it is delivered: neither secrets nor links. */
export const pendingMail = z.object({
  kind: z.enum(mailKinds),
  /** Absent when there is no account yet. */
  account_id: z.string().optional(),
  language: z.enum(['en', 'de']),
  /** Id of the enrolment token that the link carries. */
  enrolment_id: z.string().optional(),
  /** The recipient; absent when the token or code determines it. */
  to: z.string().optional(),
  /** Id of the action token that the link carries. */
  token_id: z.string().optional(),
  /** Id of the code in the mail. */
  code_id: z.string().optional(),
  /** When it happened; milliseconds since the epoch. */
  at: z.number(),
  /** The IP address to mention. */
  ip: z.string().optional(),
  /** An e-mail address to mention. */
  address: z.string().optional(),
  /** Browser and system, in the language of the mail. */
  device: z.string().optional(),
  /** Of the IP address (ISO 3166-1). */
  country: z.string().optional(),
})
export type PendingMail = z.infer<typeof pendingMail>

export type MailLanguage = Config['language']

/** The data of a text. */
export interface MailFacts {
  /** The name of the deployment. */
  site: string
  /** The issuer URL. */
  home: string
  link?: string | undefined
  code?: string | undefined
  /** Minutes that the link or code is valid. */
  minutes: number
  /** Until when it is valid, in words, where minutes do not fit. */
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

/** The texts of a language; one file each. */
export type MailTexts = Record<MailKind, (facts: MailFacts) => MailText>
