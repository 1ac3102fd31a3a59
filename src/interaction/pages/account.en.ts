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
    profile: 'Profile',
    history: 'History',
    data: 'Your data',
    password: 'Password',
    factors: 'Second factors',
    sessions: 'Devices and sessions',
    applications: 'Connected applications',
  },
  done: {
    ended: 'It has ended. Whoever used it has to sign in again.',
    'taken-back': 'The application has no access to your account any more.',
    'password-changed': 'From now on your new password is the one that counts.',
    'profile-changed': 'Your profile is saved.',
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
  profile: {
    lead: 'Applications that you allow to see your profile get these.',
    usernameHint:
      'You can sign in with it, as with your e-mail address. It has no @ in it. You can leave it empty.',
    submit: 'Save',
    errors: {
      taken: 'Somebody else has that username. Choose another one.',
      at_sign: 'A username has no @ in it, so that nobody takes it for an e-mail address.',
      name_invalid: 'That name is too long, or has characters that cannot be shown.',
      username_invalid: 'That username is too long, or has characters that cannot be shown.',
      too_many: 'You have tried too many usernames. Wait an hour.',
    },
  },
  history: {
    lead: 'Sign-ins and what else was done to your account, the newest first. If you do not know one, change your password.',
    none: 'Nothing has happened yet.',
    older: 'Older',
    newest: 'Back to the newest',
    times: counted('en', { one: 'time within an hour', other: 'times within an hour' }),
    events: {
      'account.signed_in': 'Signed in',
      'account.sign_in_failed': 'Wrong password',
      'account.signed_out_everywhere': 'Signed out everywhere',
      'account.others_signed_out': 'Signed out everywhere else',
      'account.password_changed': 'Password changed',
      'account.profile_changed': 'Profile changed',
      'account.disabled': 'Account disabled',
      'account.enabled': 'Account enabled',
      'account.locked': 'Paused after wrong passwords',
      'account.unlocked': 'The pause was lifted',
      'session.ended': 'A session was ended',
      'grant.revoked': 'Access of an application taken back',
    },
  },
  data: {
    download: 'Download your data',
    downloadLead:
      'A file (JSON) with your profile, where you are signed in, what applications may do, and your history.',
    downloadSubmit: 'Download',
    delete: 'Delete your account',
    deleteLead:
      'This cannot be undone. You are signed out everywhere, applications lose their access, and nobody can bring your account back. What applications have stored about you stays with them.',
    typeAddress: (address) => html`Type ${address} to confirm`,
    deleteSubmit: 'Delete my account for good',
    errors: {
      address: 'That is not the address of this account. Nothing was deleted.',
      last_operator:
        'You are the last operator here. Make somebody else an operator first. Nothing was deleted.',
    },
    deletedTitle: 'Your account is deleted',
    deleted: 'You are signed out everywhere, and applications have no access any more.',
  },
  password: {
    lead: 'Type your current password, then the new one twice.',
    current: 'Current password',
    others: 'Sign out everywhere else, and end what applications hold there',
    submit: 'Change password',
    errors: {
      wrong_current:
        'That is not your current password. After several wrong tries an account takes a pause, in which the right one does not work either.',
      same: 'That is the password you have. Choose another one.',
      missing: 'Fill in all three fields.',
      too_many: 'There were too many wrong tries from your network. Wait a few minutes.',
    },
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
