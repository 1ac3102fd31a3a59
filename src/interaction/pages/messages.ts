import type { Html } from '../../http/html.ts'
import { en } from './en.ts'
import type { ErrorKind } from './error.kinds.ts'

/** A sentence with something set into it, such as the name of a client. */
type Phrase = (inserted: Html) => Html

/** Everything our pages say. A language is one file that fills this in, and its row in `languages`. */
export type Messages = {
  /** The language of these texts, as in the `lang` attribute (BCP 47). */
  locale: string
  layout: { faultTitle: (title: string) => string; promise: string }
  login: {
    title: string
    lead: Phrase
    username: string
    password: string
    submit: string
    cancel: string
    errors: Record<'invalid' | 'missing' | 'busy' | 'one_time_expired', string>
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
    errors: Record<'mismatch' | 'same' | 'too_long' | 'missing' | 'busy', string> & {
      too_short: (minLength: number) => string
    }
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
  /** What a browser without script shows between us and a client. */
  handover: { title: string; text: string; submit: string }
  error: {
    reference: string
    referenceHint: string
    details: string
    code: string
    status: string
    description: string
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

const languages: readonly Messages[] = [en]

/**
 * The catalogue of the first wanted language we speak; English when there is none.
 * @param wanted BCP 47 tags, the most wanted first (OIDC Core §3.1.2.1, `ui_locales`); `en-GB` is served `en`
 */
export function messagesFor(...wanted: readonly string[]): Messages {
  for (const tag of wanted) {
    const primary = tag.split('-', 1)[0]?.toLowerCase()
    const found = languages.find((messages) => messages.locale === primary)
    if (found) return found
  }
  return en
}

/** What a scope lets a client do, in plain words; the scope itself when we have no words for it. */
export function scopeText(messages: Messages, scope: string): string {
  const { scopes } = messages.consent
  return (Object.hasOwn(scopes, scope) && scopes[scope]) || scope
}
