import type { DeviceWords } from '../../families/device.ts'
import type { Html } from '../../http/html.ts'
import type { HistoryEvent, HistoryMark } from './account-history.ts'
import type { AccountDone, AccountSection } from './account-layout.ts'

/** The texts of the account pages. */
export type AccountMessages = {
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
  /** The navigation. */
  sections: Record<AccountSection, string>
  /** What was just done. */
  done: Record<AccountDone, string>
  device: DeviceWords
  /** A time and the IP address, if known. */
  from: (time: Html, address: Html) => Html
  sessions: {
    lead: string
    here: string
    signedIn: string
    lastUsed: string
    applications: string
    end: string
    /** The same for screen readers. */
    endNamed: (device: Html) => Html
    endOthers: string
    endOthersHint: string
    onlyThis: string
    devicesHeading: string
    devicesLead: string
    noDevices: string
    allowed: string
    endDevice: string
    endDeviceNamed: (application: Html, device: Html) => Html
  }
  profile: {
    lead: string
    usernameHint: string
    submit: string
    errors: Record<'taken' | 'at_sign' | 'name_invalid' | 'username_invalid' | 'too_many', string>
  }
  history: {
    lead: string
    none: string
    older: string
    newest: string
    times: (count: number) => string
    marks: Record<HistoryMark, string>
    events: Record<HistoryEvent, string>
  }
  data: {
    download: string
    downloadLead: string
    downloadSubmit: string
    delete: string
    deleteLead: string
    typeAddress: (address: Html) => Html
    deleteSubmit: string
    errors: Record<'address' | 'last_operator', string>
    deletedTitle: string
    deleted: string
  }
  password: {
    lead: string
    /** The minimum length for accounts that want to remove their second factor. */
    alone: (minLength: number) => string
    current: string
    others: string
    submit: string
    errors: Record<'wrong_current' | 'same' | 'missing' | 'too_many', string>
  }
  applications: {
    lead: string
    none: string
    abilities: string
    since: string
    lastUsed: string
    devices: (count: number) => string
    takeBack: string
    takeBackNamed: (application: Html) => Html
    findingsHint: string
    takeBackHint: string
  }
}
