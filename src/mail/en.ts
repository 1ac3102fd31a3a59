import type { MailFacts, MailTexts } from './message.ts'

const from = ({ at, ip, country }: MailFacts) =>
  `When: ${at}${ip === undefined ? '' : `. From: ${ip}${country === undefined ? '' : ` (probably ${country})`}`}.`
const withWhat = ({ device }: MailFacts) => (device === undefined ? [] : [`Device: ${device}.`])
const sessionsOf = ({ home }: MailFacts) => `Where you are signed in: ${home}/account/sessions`
const notYou = (facts: MailFacts) =>
  `If it was not you, choose a new password at once: ${facts.home}/password/forgot`

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
      'The password of your account was changed, and you were signed out everywhere.',
      from(facts),
      notYou(facts),
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
      `The e-mail address of your account is ${facts.address} now.`,
      from(facts),
      'If it was not you, tell the people who run this site.',
    ],
    after: [],
  }),
  new_device: (facts) => ({
    subject: `New sign-in to ${facts.site}`,
    before: [
      'Somebody signed in to your account with a browser that had not been used for it before.',
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
      `Somebody signed in to your account with a browser that had not been used for it before, in a country that it had not been used from: ${facts.country}.`,
      ...withWhat(facts),
      from(facts),
      'The country is a guess from the address; it can be wrong.',
      'If it was you, you need not do anything.',
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
}
