import type { Config } from '../../../config/config.ts'
import type { Html } from '../../http/html.ts'
import type { AccountMessages } from './account.messages.ts'
import { de } from './de.ts'
import { en } from './en.ts'
import type { ErrorKind } from './error.kinds.ts'
import type { FactorMessages } from './factors.messages.ts'
import type { SignUpMessages } from './sign-up.messages.ts'

/** A sentence with an inserted value, such as the name of a client. */
type Phrase = (inserted: Html) => Html

/** The languages of our pages, as in the settings. */
export type Language = Config['language']

/** All texts of the pages. A language is one file with this type, and a row in `languages`. */
export type Messages = FactorMessages &
  SignUpMessages & {
    /** The language of these texts, as in the `lang` attribute (BCP 47). */
    locale: Language
    layout: { faultTitle: (title: string) => string; promise: string }
    login: {
      title: string
      lead: Phrase
      /** The same for our own account pages. */
      leadAccount: string
      username: string
      password: string
      show: string
      submit: string
      cancel: string
      forgot: string
      errors: Record<
        | 'invalid'
        | 'missing'
        | 'busy'
        | 'too_many'
        | 'one_time_expired'
        | 'second_factor'
        | 'passkey',
        string
      >
    }
    consent: {
      title: string
      heading: Phrase
      signedInAs: Phrase
      abilities: string
      nothing: string
      resource: Phrase
      /** The text for a resource without scopes. */
      actForYou: string
      unverified: Phrase
      /** For a client with a metadata document; and the host of that. */
      document: (client: Html, host: Html) => Html
      localhost: string
      offline: string
      untilSignOut: string
      limited: string
      application: string
      website: string
      returnsTo: string
      deviceCode: string
      policy: string
      terms: string
      newTab: string
      allow: string
      deny: string
      scopes: Readonly<Record<string, string>>
    }
    password: {
      title: string
      lead: string
      /** Why a new one is required: the old one is too short without a second factor. */
      tooShort: string
      username: string
      newPassword: string
      confirm: string
      hint: (minLength: number) => string
      submit: string
      errors: Record<
        'mismatch' | 'same' | 'too_long' | 'compromised' | 'expected' | 'missing' | 'busy',
        string
      > & {
        too_short: (minLength: number) => string
      }
    }
    /** Pages that mails link to, or that send mail. */
    recovery: {
      title: string
      lead: string
      submit: string
      errors: Record<'missing' | 'too_many', string>
      sent: { title: string; text: string; again: string }
      /** Above the form for the new password. */
      chooseLead: string
      done: { title: string; text: string; signIn: string }
      over: { title: string; text: string; again: string }
    }
    email: {
      title: string
      unverified: string
      verify: string
      newEmail: string
      hint: string
      change: string
      sent: Record<'verification' | 'change', string>
      errors: Record<'invalid' | 'too_many', string>
      /** The page behind the link of each mail, and the one after its button. */
      steps: Record<
        'verification' | 'email_change' | 'email_objection',
        { title: string; label: string; done: { title: string; text: string } }
      >
      over: { title: string; text: string; taken: string; next: string }
    }
    logout: {
      title: string
      signedInAs: Phrase
      effect: string
      askedBy: Phrase
      submit: string
      stay: string
      doneTitle: string
      done: string
      returnTo: Phrase
      again: string
    }
    device: {
      title: string
      lead: string
      code: string
      hint: string
      submit: string
      signInFirst: string
      errors: Record<'invalid' | 'missing' | 'too_many', string>
      confirmTitle: string
      confirmHeading: Phrase
      compare: string
      warning: string
      proceed: string
      deny: string
      outcomes: Record<'allowed' | 'denied' | 'over', { title: string; text: string }>
      again: string
    }
    request: {
      listHeading: string
      listLead: string
      title: string
      heading: Phrase
      warning: string
      message: string
      askedFrom: string
      askedAt: string
      validUntil: string
      outcomes: Record<'allowed' | 'denied' | 'over', { title: string; text: string }>
      back: string
    }
    /** Shown in browsers without scripts on the way to a client. */
    handover: { title: string; text: string; submit: string }
    error: {
      reference: string
      referenceHint: string
      details: string
      code: string
      status: string
      time: string
      description: string
      wayBack: (host: Html) => Html
      wayBackSubmit: string
      kinds: Record<ErrorKind, { title: string; text: string }>
    }
    account: AccountMessages
    home: {
      title: string
      lead: string
      account: string
      developers: string
      issuer: string
      discovery: string
    }
  }

const languages: Readonly<Record<Language, Messages>> = { en, de }

/** Most language tags to consider; longer lists are nonsense. */
const mostWishes = 20

/**
 * The texts of the first requested language that we support, or none.
 * @param wanted BCP 47 tags by preference (OIDC Core §3.1.2.1, `ui_locales`); `de-AT` is served `de`
 */
export function spoken(wanted: readonly string[]): Messages | undefined {
  for (const tag of wanted.slice(0, mostWishes)) {
    const primary = tag.split('-', 1)[0]?.toLowerCase() ?? ''
    if (Object.hasOwn(languages, primary)) return languages[primary as Language]
  }
  return undefined
}

export function messagesOf(language: Language): Messages {
  return languages[language]
}

/** What a scope lets a client do, in plain words; the scope itself when we have no words for it. */
export function scopeText(messages: Messages, scope: string): string {
  const { scopes } = messages.consent
  return (Object.hasOwn(scopes, scope) && scopes[scope]) || scope
}
