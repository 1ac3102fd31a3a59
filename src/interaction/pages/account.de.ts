import { html } from '../../http/html.ts'
import type { AccountMessages } from './account.messages.ts'
import { counted } from './format.ts'

/** The account pages in German. */
export const accountDe: AccountMessages = {
  title: 'Ihr Konto',
  name: 'Name',
  username: 'Benutzername',
  email: 'E-Mail-Adresse',
  verified: 'bestätigt',
  unverified: 'nicht bestätigt',
  id: 'Konto-ID',
  signOut: 'Abmelden',
  signOutEverywhere: 'Überall abmelden',
  everywhereHint:
    'Ein Gerät verloren? So melden Sie sich auf allen ab und beenden, was Anwendungen in Ihrem Namen tun dürfen.',
  sections: {
    overview: 'Überblick',
    sessions: 'Geräte und Sitzungen',
    applications: 'Verbundene Anwendungen',
  },
  done: {
    ended: 'Das ist beendet. Wer es benutzt hat, muss sich neu anmelden.',
    'taken-back': 'Die Anwendung hat keinen Zugriff mehr auf Ihr Konto.',
    'others-ended': 'Sie sind überall abgemeldet, nur hier nicht.',
  },
  device: {
    unknown: 'Unbekanntes Gerät',
    on: (program, system) => `${program} unter ${system}`,
  },
  from: (time, address) => html`${time}, von ${address}`,
  sessions: {
    lead: 'Browser, in denen Sie angemeldet sind. Kennen Sie einen davon nicht, beenden Sie ihn und ändern Sie Ihr Passwort.',
    here: 'dieser hier',
    signedIn: 'Angemeldet',
    lastUsed: 'Zuletzt benutzt',
    applications: 'Anwendungen',
    end: 'Diese Sitzung beenden',
    endNamed: (device) => html`Die Sitzung von ${device} beenden`,
    endOthers: 'Überall sonst abmelden',
    endOthersHint:
      'Das beendet jede Sitzung außer dieser und den Zugriff von Anwendungen, den Sie in einer anderen erlaubt haben.',
    onlyThis: 'Sie sind nirgends sonst angemeldet.',
    devicesHeading: 'Zugriff von Anwendungen, nach Gerät',
    devicesLead: 'Wo eine Anwendung in Ihrem Namen handeln kann, auch während Sie nicht da sind.',
    noDevices: 'Keine Anwendung hat einen solchen Zugriff.',
    allowed: 'Erlaubt',
    endDevice: 'Diesen Zugriff beenden',
    endDeviceNamed: (application, device) =>
      html`Den Zugriff von ${application} auf ${device} beenden`,
  },
  applications: {
    lead: 'Anwendungen, denen Sie erlaubt haben, Ihr Konto zu benutzen, und was sie dürfen.',
    none: 'Sie haben keiner Anwendung erlaubt, Ihr Konto zu benutzen.',
    abilities: 'Sie kann',
    since: 'Erlaubt seit',
    lastUsed: 'Zuletzt benutzt',
    devices: counted('de', { one: 'Gerät', other: 'Geräte' }),
    takeBack: 'Zugriff zurücknehmen',
    takeBackNamed: (application) => html`Den Zugriff von ${application} zurücknehmen`,
    takeBackHint: 'Er endet sofort, auf allen Geräten. Die Anwendung kann Sie wieder fragen.',
  },
}
