import { html } from '../../http/html.ts'
import type { AccountMessages } from './account.messages.ts'
import { counted } from './format.ts'

/** The account pages in English. */
export const accountEn: AccountMessages = {
  title: 'Your account',
  name: 'Name',
  username: 'Username',
  email: 'E-mail address',
  verified: 'verified',
  unverified: 'not verified',
  id: 'Account ID',
  signOut: 'Sign out',
  signOutEverywhere: 'Sign out everywhere',
  everywhereHint:
    'Lost a device? This signs you out on all of them and ends what applications may do in your name.',
  sections: {
    overview: 'Overview',
    sessions: 'Devices and sessions',
    applications: 'Connected applications',
  },
  done: {
    ended: 'It has ended. Whoever used it has to sign in again.',
    'taken-back': 'The application has no access to your account any more.',
    'others-ended': 'You are signed out everywhere but here.',
  },
  device: {
    unknown: 'Unknown device',
    on: (program, system) => `${program} on ${system}`,
  },
  from: (time, address) => html`${time}, from ${address}`,
  sessions: {
    lead: 'Browsers in which you are signed in. If you do not know one of them, end it and change your password.',
    here: 'this one',
    signedIn: 'Signed in',
    lastUsed: 'Last used',
    applications: 'Applications',
    end: 'End this session',
    endNamed: (device) => html`End the session of ${device}`,
    endOthers: 'Sign out everywhere else',
    endOthersHint:
      'This ends every session but this one, and the access of applications that you allowed in another one.',
    onlyThis: 'You are signed in nowhere else.',
    devicesHeading: 'Access of applications, by device',
    devicesLead: 'Where an application can act in your name, also while you are away.',
    noDevices: 'No application has such access.',
    allowed: 'Allowed',
    endDevice: 'End this access',
    endDeviceNamed: (application, device) => html`End the access of ${application} on ${device}`,
  },
  applications: {
    lead: 'Applications that you allowed to use your account, and what they may do.',
    none: 'You have allowed no application to use your account.',
    abilities: 'It can',
    since: 'Allowed since',
    lastUsed: 'Last used',
    devices: counted('en', { one: 'device', other: 'devices' }),
    takeBack: 'Take the access back',
    takeBackNamed: (application) => html`Take back the access of ${application}`,
    takeBackHint: 'It ends at once, on all devices. The application can ask you again.',
  },
}
