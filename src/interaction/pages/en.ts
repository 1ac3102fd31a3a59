import { html } from '../../http/html.ts'
import { accountEn } from './account.en.ts'
import { factorsEn } from './factors.en.ts'
import { counted } from './format.ts'
import type { Messages } from './messages.ts'
import { signUpEn } from './sign-up.en.ts'

const characters = counted('en', { one: 'character', other: 'characters' })

/** English. */
export const en: Messages = {
  locale: 'en',
  layout: {
    faultTitle: (title) => `Error: ${title}`,
    promise: 'Your password stays here. Applications never get to see it.',
  },
  login: {
    title: 'Sign in',
    lead: (client) => html`to continue to ${client}`,
    leadAccount: 'to continue to your account',
    username: 'E-mail address or username',
    password: 'Password',
    show: 'Show password',
    submit: 'Sign in',
    cancel: 'Cancel',
    forgot: 'Forgot your password?',
    errors: {
      invalid:
        'That username and password do not match. Check both and try again. After several wrong attempts an account is paused, and even the right password does not work for a while.',
      missing: 'Enter your e-mail address or username and your password.',
      busy: 'Too many people are signing in right now. Wait a few seconds, then try again.',
      too_many:
        'There were too many failed sign-ins from your network. Wait a few minutes, then try again.',
      one_time_expired: 'This one-time password is no longer valid. Ask for a new one.',
      second_factor: 'There were too many attempts. Sign in again.',
      passkey: 'This passkey did not work here. Try again, or sign in with your password.',
    },
  },
  consent: {
    title: 'Allow access',
    heading: (client) => html`Allow ${client} to use your account?`,
    signedInAs: (account) => html`You are signed in as ${account}`,
    abilities: 'If you allow it, this application can',
    nothing: 'Know that you have an account here, and nothing more',
    resource: (resource) => html`At ${resource} it can`,
    actForYou: 'Act on your behalf',
    unverified: (client) =>
      html`Nobody has checked who is behind ${client}. Allow it only if you know and trust it.`,
    document: (client, host) =>
      html`This application comes from ${host} and calls itself ${client}. Nobody here has checked it: allow it only if you trust ${host}.`,
    localhost:
      'This application runs on your own computer, where other programs can pretend to be it. ' +
      'Continue only if you started it yourself just now.',
    offline: 'Keep this access while you are away, until you remove it',
    untilSignOut: 'This access ends when you sign out.',
    limited: 'This access ends automatically after a limited time.',
    application: 'Application',
    website: 'Website',
    returnsTo: 'Sends you back to',
    deviceCode: 'Code on your device',
    policy: 'Privacy policy',
    terms: 'Terms of service',
    newTab: '(opens in a new tab)',
    allow: 'Allow',
    deny: 'Deny',
    scopes: {
      openid: 'Recognise you when you come back',
      profile: 'See your name and your profile',
      email: 'See your e-mail address',
      phone: 'See your phone number',
      address: 'See your postal address',
      offline_access: 'Keep this access while you are away, until you remove it',
    },
  },
  password: {
    title: 'Choose a new password',
    lead: 'The password you signed in with works only once. From now on you will use the one you choose here.',
    tooShort:
      'Your password is short, and you no longer sign in with two steps. From now on you will use the one you choose here.',
    username: 'Account',
    newPassword: 'New password',
    confirm: 'New password again',
    hint: (minLength) =>
      `At least ${characters(minLength)}. A few unrelated words are easy to remember and hard to guess.`,
    submit: 'Save password',
    errors: {
      too_short: (minLength) =>
        `That password is too short. Use at least ${characters(minLength)}.`,
      mismatch: 'The two passwords differ. Type the same one twice.',
      same: 'That is the one-time password. Choose one you have not used here before.',
      too_long: 'That password is too long. Choose a shorter one.',
      compromised:
        'That password has been in a data leak elsewhere, so attackers try it first. Choose another one.',
      expected:
        'That password is little more than your name or address, or the name of this site. Choose another one.',
      missing: 'Type your new password into both fields.',
      busy: 'Too many people are signing in right now. Wait a few seconds, then try again.',
    },
  },
  recovery: {
    title: 'Forgot your password?',
    lead: 'Tell us who you are. If there is an account, we send a link for choosing a new password to its e‑mail address.',
    submit: 'Send the link',
    errors: {
      missing: 'Enter your e-mail address or username.',
      too_many:
        'Too many links were requested from your network. Wait a few minutes, then try again.',
    },
    sent: {
      title: 'Check your e‑mail',
      text: 'If there is an account with what you entered, a link is on its way to its e-mail address. It can take a few minutes; check your spam folder, too. Only the latest link works.',
      again: 'Request another link',
    },
    chooseLead: 'Choose a new password. You will be signed out everywhere; then sign in with it.',
    done: {
      title: 'Your password has been changed',
      text: 'You are signed out everywhere. Sign in with your new password.',
      signIn: 'Sign in',
    },
    over: {
      title: 'This link is no longer valid',
      text: 'It has been used, it has expired, or there is a newer one.',
      again: 'Request a new link',
    },
  },
  email: {
    title: 'Change e‑mail address',
    unverified: 'You have not confirmed yet that this address is yours.',
    verify: 'Send a link to confirm it',
    newEmail: 'New e-mail address',
    hint: 'We will send a link to it. Your account keeps the old address until you open that link.',
    change: 'Send the link',
    sent: {
      verification: 'A link is on its way to your address. Open it to confirm that it is yours.',
      change:
        'A link is on its way to the new address, and a notice to the old one. Nothing changes until you have opened the link.',
    },
    errors: {
      invalid: 'That is not an e-mail address. Check it and try again.',
      too_many: 'Too many e-mails were sent for this account. Wait an hour, then try again.',
    },
    steps: {
      verification: {
        title: 'Confirm your e-mail address',
        label: 'This address is mine',
        done: { title: 'Your e-mail address is confirmed', text: 'Thank you. That is all.' },
      },
      email_change: {
        title: 'Use this e-mail address?',
        label: 'Use this address',
        done: {
          title: 'Your e-mail address has been changed',
          text: 'From now on you sign in with the new one.',
        },
      },
      email_objection: {
        title: 'Keep this e-mail address?',
        label: 'Keep this address',
        done: {
          title: 'Your e-mail address stays the same',
          text: 'The link to the other address no longer works. Whoever requested it was signed in as you: choose a new password now.',
        },
      },
    },
    over: {
      title: 'This link is no longer valid',
      text: 'It has been used, it has expired, or there is a newer one.',
      taken: 'This address now belongs to another account.',
      next: 'To your account',
    },
  },
  ...factorsEn,
  ...signUpEn,
  logout: {
    title: 'Sign out?',
    signedInAs: (account) => html`You are signed in as ${account}.`,
    effect: 'Signing out ends your session here and in the applications that use it.',
    askedBy: (client) => html`${client} asked to sign you out.`,
    submit: 'Sign out',
    stay: 'Stay signed in',
    doneTitle: 'You are signed out',
    done: 'Your session has ended. On a shared computer, close the browser as well.',
    returnTo: (client) => html`You can go back to ${client} now.`,
    again: 'Sign in again',
  },
  device: {
    title: 'Connect a device',
    lead: 'Enter the code that your device shows.',
    code: 'Code on your device',
    hint: 'Eight letters, such as BCDF-GHJK. Capitals and the dash do not matter.',
    submit: 'Continue',
    signInFirst: 'Sign in',
    errors: {
      invalid:
        'This code is not valid. Compare it with your device; if it has expired, your device can show a new one.',
      missing: 'Enter the code that your device shows.',
      too_many:
        'Too many wrong codes were entered. Wait ten minutes, or sign in first, then come back and enter the code.',
    },
    confirmTitle: 'Is this your device?',
    confirmHeading: (client) => html`Connect ${client} to your account?`,
    compare: 'Your device must show exactly this code',
    warning:
      'Only continue if you started this on a device you have in front of you. If somebody sent you this code, or a ' +
      'link with it, deny it: they would get access to your account.',
    proceed: 'Continue',
    deny: 'Deny',
    outcomes: {
      allowed: {
        title: 'Your device is connected',
        text: 'It continues automatically in a few seconds. You can close this page.',
      },
      denied: {
        title: 'The device was denied',
        text: 'It gets no access to your account. You can close this page.',
      },
      over: {
        title: 'This code is no longer valid',
        text: 'It has expired or has already been used. Start again on your device to get a new code.',
      },
    },
    again: 'Enter another code',
  },
  request: {
    listHeading: 'Waiting for your answer',
    listLead: 'Open a request to read what it is about before you answer it.',
    title: 'Answer a request',
    heading: (client) => html`${client} asks you to sign in`,
    warning:
      'Allow this only if you started it yourself just now. Otherwise deny it: somebody else would get access to your account.',
    message: 'The application must show you exactly this message; if it does not, deny the request',
    askedFrom: 'Requested from',
    askedAt: 'Requested at',
    validUntil: 'Answer by',
    outcomes: {
      allowed: {
        title: 'You allowed the request',
        text: 'The application continues automatically in a few seconds. You can close this page.',
      },
      denied: {
        title: 'You denied the request',
        text: 'The application gets no access to your account. You can close this page.',
      },
      over: {
        title: 'This request is no longer open',
        text: 'It has expired, has already been answered, or is meant for another account. The application can ask again.',
      },
    },
    back: 'Back to your account',
  },
  handover: {
    title: 'Almost there',
    text: 'You are on your way back. If nothing happens, press the button.',
    submit: 'Continue',
  },
  error: {
    reference: 'Reference',
    referenceHint: 'Quote this reference when you ask for help.',
    details: 'For the people who run the application',
    code: 'Error',
    status: 'Status',
    time: 'Time',
    description: 'Description',
    wayBack: (host) =>
      html`The application is at ${host}. Nobody has checked who that is: go back only if you know it and came from there.`,
    wayBackSubmit: 'Back to the application',
    kinds: {
      request: {
        title: 'This request is not valid',
        text: 'The application sent you here with an invalid request. Go back to it and try again.',
      },
      application: {
        title: 'We do not know this application',
        text: 'The application that sent you here is not registered with us, or may not do what it asked for.',
      },
      redirect: {
        title: 'The return address is not registered',
        text: 'To protect your account, we only send you to addresses that the application has registered. This one is not.',
      },
      scope: {
        title: 'The application asked for too much',
        text: 'It asked for access that does not exist or that it may not have.',
      },
      target: {
        title: 'We do not know that service',
        text: 'The application asked for access to a service that is not registered with us.',
      },
      denied: {
        title: 'Access was not granted',
        text: 'The application gets no access to your account. You can go back to it, or close this page.',
      },
      signin: {
        title: 'You need to sign in first',
        text: 'Go back to the application and start again; you will be asked to sign in.',
      },
      session: {
        title: 'You are not signed in',
        text: 'This browser did not keep the cookie, or you have signed out since. Start again.',
      },
      expired: {
        title: 'This page has expired',
        text: 'It was open for too long or has been used already. Go back to the application and start again.',
      },
      forbidden: {
        title: 'We could not confirm that this was you',
        text: 'The form was not sent from our own page, or your browser blocks our cookies. Go back and try again.',
      },
      not_found: {
        title: 'There is no such page',
        text: 'The address may be mistyped, or the page is gone.',
      },
      too_many: {
        title: 'Too many attempts',
        text: 'Wait a few minutes, then try again.',
      },
      unavailable: {
        title: 'We are busy right now',
        text: 'Nothing is wrong with your account. Try again in a moment.',
      },
      broken: {
        title: 'Something went wrong on our side',
        text: 'It is not your fault. Try again in a moment; if it keeps happening, tell us the reference below.',
      },
    },
  },
  account: accountEn,
  home: {
    title: 'Authorization server',
    lead: 'This server signs people in to their applications and issues the tokens those applications use.',
    account: 'Go to your account',
    developers: 'For developers',
    issuer: 'Issuer',
    discovery: 'Discovery document',
  },
}
