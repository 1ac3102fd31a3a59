import type { Config } from '../../../config/config.ts'
import type { Html } from '../../http/html.ts'
import { de } from './de.ts'
import { en } from './en.ts'
import type { ErrorKind } from './error.kinds.ts'

/** A sentence with something set into it, such as the name of a client. */
type Phrase = (inserted: Html) => Html

/** The languages of our pages, as in the settings. */
export type Language = Config['language']

/** Everything our pages say. A language is one file that fills this in, and its row in `languages`. */
export type Messages = {
  /** The language of these texts, as in the `lang` attribute (BCP 47). */
  locale: Language
  layout: { faultTitle: (title: string) => string; promise: string }
  login: {
    title: string
    lead: Phrase
    /** The same when it is our own pages that somebody signs in to. */
    leadAccount: string
    username: string
    password: string
    show: string
    submit: string
    cancel: string
    errors: Record<
      'invalid' | 'missing' | 'busy' | 'too_many' | 'one_time_expired' | 'second_factor',
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
    /** What a resource without scopes is asked for. */
    actForYou: string
    unverified: Phrase
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
  secondFactor: {
    title: string
    lead: string
    code: string
    codeHint: string
    submit: string
    lostHeading: string
    recovery: string
    recoverySubmit: string
    errors: Record<'invalid' | 'missing', string>
  }
  factors: {
    title: string
    lead: string
    none: string
    added: string
    lastUsed: string
    never: string
    name: string
    rename: string
    remove: string
    removeHint: string
    endOthers: string
    add: string
    full: string
    codesHeading: string
    codesLeft: (left: number) => string
    makeCodes: string
    makeCodesHint: string
    newTitle: string
    newLead: string
    qrCode: string
    secret: string
    code: string
    codeHint: string
    confirm: string
    wrong: string
    codesTitle: string
    codesLead: string
    done: string
    back: string
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
  /** What a browser without script shows between us and a client. */
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
  account: {
    title: string
    name: string
    username: string
    email: string
    verified: string
    unverified: string
    id: string
    factors: string
    signOut: string
    signOutEverywhere: string
    everywhereHint: string
  }
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

/** As many wishes as are looked at: whoever sends more has sent nonsense. */
const mostWishes = 20

/**
 * The catalogue of the first wanted language that we speak, or none.
 * @param wanted BCP 47 tags, the most wanted first (OIDC Core §3.1.2.1, `ui_locales`); `de-AT` is served `de`
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
