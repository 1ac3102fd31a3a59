import type { MailFacts, MailTexts } from './message.ts'

const from = ({ at, ip, country }: MailFacts) =>
  `When: ${at}${ip === undefined ? '' : `. From: ${ip}${country === undefined ? '' : ` (probably ${country})`}`}.`
const withWhat = ({ device }: MailFacts) => (device === undefined ? [] : [`Device: ${device}.`])
const sessionsOf = ({ home }: MailFacts) => `Where you are signed in: ${home}/account/sessions`
const notYou = (facts: MailFacts) =>
  `If it was not you, choose a new password at once: ${facts.home}/password/forgot`
const notYourFactors = (facts: MailFacts) =>
  `${notYou(facts)} Then check the other steps of your sign-in: ${facts.home}/account/factors`

/** English. */
export const en: MailTexts = {
  reset: (facts) => ({
    subject: `Choose a new password for ${facts.site}`,
    before: [
      'Somebody asked for a new password for your account. If that was you, choose one here:',
    ],
    after: [
      `The link works once and for ${facts.minutes} minutes. Only the latest link works.`,
      from(facts),
      'If it was not you, you need not do anything: your password stays as it is.',
    ],
  }),
  verification: (facts) => ({
    subject: `Confirm your e-mail address for ${facts.site}`,
    before: ['Confirm that this e-mail address is yours:'],
    after: [
      `The link works once and for ${facts.minutes} minutes. Only the latest link works.`,
      'If you have no account there, ignore this mail.',
    ],
  }),
  password_changed: (facts) => ({
    subject: `Your password for ${facts.site} was changed`,
    before: [
      'The password of your account was changed.',
      from(facts),
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  email_change: (facts) => ({
    subject: `Confirm your new e-mail address for ${facts.site}`,
    before: [
      'Somebody wants to use this e-mail address for an account. If that is you, confirm it here:',
    ],
    after: [
      `The link works once and for ${facts.minutes} minutes. Until then the account keeps its old address.`,
      'If it is not you, ignore this mail.',
    ],
  }),
  email_changing: (facts) => ({
    subject: `Your e-mail address for ${facts.site} is about to change`,
    before: [
      `Somebody who is signed in to your account asked to change its e-mail address to ${facts.address}.`,
      from(facts),
      'If it was not you, stop it here, and then choose a new password:',
    ],
    after: ['If it was you, you need not do anything here.'],
  }),
  email_changed: (facts) => ({
    subject: `Your e-mail address for ${facts.site} was changed`,
    before: [
      `The e-mail address of your account is now ${facts.address}.`,
      from(facts),
      'If it was not you, tell the people who run this site.',
    ],
    after: [],
  }),
  username_changed: (facts) => ({
    subject: `Your user name for ${facts.site} was changed`,
    before: [
      'The user name of your account was changed. You can sign in with it, or with your e-mail address.',
      from(facts),
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  new_device: (facts) => ({
    subject: `New sign-in to ${facts.site}`,
    before: [
      'Somebody signed in to your account with a browser that had not been used for it before, or not since you were signed out everywhere.',
      ...withWhat(facts),
      from(facts),
      'If it was you, you need not do anything.',
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  new_country: (facts) => ({
    subject: `New sign-in to ${facts.site} from ${facts.country}`,
    before: [
      `Somebody signed in to your account with a browser that had not been used for it before, or not since you were signed out everywhere, and from a country that it had not been used from: ${facts.country}.`,
      ...withWhat(facts),
      from(facts),
      'The country is a guess from the address; it can be wrong.',
      'If it was you, you need not do anything.',
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  sign_up: (facts) => ({
    subject: `Finish your account at ${facts.site}`,
    before: [
      'Somebody wants to create an account with this e-mail address. If that was you, choose a password here:',
    ],
    after: [
      `The link works once, until ${facts.until}. Only the latest link works.`,
      from(facts),
      'If it was not you, you need not do anything: there is no account yet, and there will be none.',
    ],
  }),
  sign_up_known: (facts) => ({
    subject: `You already have an account at ${facts.site}`,
    before: [
      'Somebody wanted to create an account with your e-mail address. You already have one.',
      from(facts),
      `If that was you, sign in: ${facts.home}/account`,
      `If you have forgotten your password, choose a new one: ${facts.home}/password/forgot`,
      'If it was not you, you need not do anything: nothing has changed.',
    ],
    after: [],
  }),
  invitation: (facts) => ({
    subject: `You are invited to ${facts.site}`,
    before: [
      'You are invited to create an account with this e-mail address. Choose a password here:',
    ],
    after: [
      `The link works once, until ${facts.until}. Only the latest link works.`,
      'If you did not expect this, you need not do anything: there is no account yet.',
    ],
  }),
  factor_added: (facts) => ({
    subject: `A second step was added to your sign-in at ${facts.site}`,
    before: [
      'A second step was added to your sign-in, such as a passkey or an app, and is required from now on. If recovery codes came with it, they were shown only on the page that created them.',
      from(facts),
      notYourFactors(facts),
    ],
    after: [],
  }),
  factor_removed: (facts) => ({
    subject: `A second step was removed from your sign-in at ${facts.site}`,
    before: [
      'A second step of your sign-in was removed, such as a passkey or an app. If it was the last one, the recovery codes were removed, too, and the password alone is enough to sign in.',
      from(facts),
      notYourFactors(facts),
    ],
    after: [],
  }),
  recovery_codes_made: (facts) => ({
    subject: `New recovery codes for ${facts.site}`,
    before: [
      'New recovery codes were created for your account. The earlier ones no longer work.',
      from(facts),
      notYourFactors(facts),
    ],
    after: [],
  }),
  recovery_code_used: (facts) => ({
    subject: `A recovery code was used at ${facts.site}`,
    before: [
      'Somebody who knows your password used one of your recovery codes as the second step. That code no longer works.',
      from(facts),
      notYourFactors(facts),
    ],
    after: [],
  }),
  email_code: (facts) => ({
    subject: `Your code for ${facts.site}`,
    before: [
      `Type this code on the page that asks for it: ${facts.code}`,
      `It works once and for ${facts.minutes} minutes, and only there. Only the latest code works. Nobody from ${facts.site} will ever ask you for it.`,
      from(facts),
      notYou(facts),
    ],
    after: [],
  }),
  data_downloaded: (facts) => ({
    subject: `Your data at ${facts.site} was downloaded`,
    before: [
      'Somebody who is signed in to your account downloaded everything that is stored about you.',
      ...withWhat(facts),
      from(facts),
      'If it was you, you need not do anything.',
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  account_deleted: (facts) => ({
    subject: `Your account at ${facts.site} was deleted`,
    before: [
      'Your account was deleted, for good.',
      from(facts),
      'If you did not want that, tell the people who run this site.',
    ],
    after: [],
  }),
}
