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
    'Ein Gerät verloren? So melden Sie sich auf allen Geräten ab und beenden den Zugriff von Anwendungen.',
  sections: {
    overview: 'Überblick',
    profile: 'Profil',
    history: 'Verlauf',
    data: 'Ihre Daten',
    password: 'Passwort',
    factors: 'Anmeldung in zwei Schritten',
    sessions: 'Geräte und Sitzungen',
    applications: 'Verbundene Anwendungen',
  },
  done: {
    ended: 'Das ist beendet. Wer es verwendet hat, muss sich neu anmelden.',
    'taken-back': 'Die Anwendung hat keinen Zugriff mehr auf Ihr Konto.',
    'password-changed': 'Ihr Passwort wurde geändert. Von jetzt an gilt das neue.',
    'profile-changed': 'Ihr Profil ist gespeichert.',
    'others-ended': 'Sie sind überall außer hier abgemeldet.',
  },
  device: {
    unknown: 'Unbekanntes Gerät',
    on: (program, system) => `${program} unter ${system}`,
  },
  from: (time, address) => html`${time}, von ${address}`,
  sessions: {
    lead: 'Browser, in denen Sie angemeldet sind. Kennen Sie einen davon nicht, beenden Sie seine Sitzung und ändern Sie Ihr Passwort.',
    here: 'dieser hier',
    signedIn: 'Angemeldet',
    lastUsed: 'Zuletzt benutzt',
    applications: 'Anwendungen',
    end: 'Diese Sitzung beenden',
    endNamed: (device) => html`Die Sitzung von ${device} beenden`,
    endOthers: 'Überall sonst abmelden',
    endOthersHint:
      'Das beendet alle anderen Sitzungen und den Zugriff von Anwendungen, den Sie dort erlaubt haben.',
    onlyThis: 'Sie sind sonst nirgends angemeldet.',
    devicesHeading: 'Zugriff von Anwendungen, nach Gerät',
    devicesLead: 'Wo eine Anwendung in Ihrem Namen handeln kann, auch in Ihrer Abwesenheit.',
    noDevices: 'Keine Anwendung hat einen solchen Zugriff.',
    allowed: 'Erlaubt',
    endDevice: 'Diesen Zugriff beenden',
    endDeviceNamed: (application, device) =>
      html`Den Zugriff von ${application} auf ${device} beenden`,
  },
  profile: {
    lead: 'Das sehen Anwendungen, denen Sie Ihr Profil zeigen.',
    usernameHint:
      'Damit können Sie sich anmelden wie mit Ihrer E-Mail-Adresse. Er darf kein @ enthalten. Sie können das Feld leer lassen.',
    submit: 'Speichern',
    errors: {
      taken: 'Diesen Benutzernamen hat schon jemand. Wählen Sie einen anderen.',
      at_sign:
        'Ein Benutzername darf kein @ enthalten, damit ihn niemand für eine E-Mail-Adresse hält.',
      name_invalid: 'Dieser Name ist zu lang oder enthält Zeichen, die sich nicht anzeigen lassen.',
      username_invalid:
        'Dieser Benutzername ist zu lang, enthält Zeichen, die sich nicht anzeigen lassen, oder mischt Alphabete, deren Buchstaben gleich aussehen.',
      too_many: 'Das waren zu viele Änderungen. Warten Sie eine Stunde.',
    },
  },
  history: {
    lead: 'Anmeldungen und andere Vorgänge in Ihrem Konto, die neuesten zuerst. Ist Ihnen etwas davon unbekannt, ändern Sie Ihr Passwort.',
    none: 'Es gibt noch keine Vorgänge.',
    older: 'Älteres',
    newest: 'Zurück zum Neuesten',
    times: counted('de', { one: 'Mal', other: 'Mal' }),
    marks: { new_device: 'Neues Gerät', new_network: 'Neues Netz', new_country: 'Neues Land' },
    events: {
      'account.signed_in': 'Angemeldet',
      'account.sign_in_failed': 'Anmeldung fehlgeschlagen',
      'account.signed_out_everywhere': 'Überall abgemeldet',
      'account.others_signed_out': 'Überall sonst abgemeldet',
      'account.password_changed': 'Passwort geändert',
      'account.profile_changed': 'Profil geändert',
      'account.factor_added': 'Zweiter Schritt für Ihre Anmeldung hinzugefügt',
      'account.factor_removed': 'Zweiter Schritt Ihrer Anmeldung entfernt',
      'account.passkey_refused': 'Ein Passkey wurde abgelehnt: Er könnte eine Kopie sein',
      'account.recovery_codes_made': 'Neue Wiederherstellungscodes erzeugt',
      'account.recovery_code_used': 'Wiederherstellungscode verwendet',
      'account.reset_requested': 'Neues Passwort per E-Mail angefordert',
      'account.email_verified': 'E-Mail-Adresse bestätigt',
      'account.email_change_requested': 'Änderung der E-Mail-Adresse angefordert',
      'account.email_changed': 'E-Mail-Adresse geändert',
      'account.email_objected': 'Änderung der E-Mail-Adresse abgelehnt',
      'account.signed_up': 'Konto angelegt',
      'account.sign_up_requested': 'Jemand wollte mit Ihrer Adresse ein neues Konto anlegen',
      'account.data_downloaded': 'Ihre Daten heruntergeladen',
      'account.disabled': 'Konto gesperrt',
      'account.enabled': 'Konto entsperrt',
      'account.locked': 'Pause nach falschen Passwörtern',
      'account.unlocked': 'Die Pause wurde aufgehoben',
      'session.ended': 'Eine Sitzung wurde beendet',
      'grant.revoked': 'Zugriff einer Anwendung entzogen',
      'family.refreshed_rapidly': 'Zugriff ungewöhnlich oft erneuert',
      'family.network_changed': 'Zugriff aus einem anderen Netz verwendet',
      'family.networks_alternated': 'Zugriff abwechselnd aus zwei Netzen verwendet',
    },
  },
  data: {
    download: 'Ihre Daten herunterladen',
    downloadLead:
      'Eine Datei (JSON) mit Ihrem Profil, wo Sie angemeldet sind, was Anwendungen dürfen, und Ihrem Verlauf.',
    downloadSubmit: 'Herunterladen',
    delete: 'Ihr Konto löschen',
    deleteLead:
      'Das lässt sich nicht rückgängig machen. Sie werden überall abgemeldet, Anwendungen verlieren den Zugriff, und niemand kann Ihr Konto wiederherstellen. Was Anwendungen über Sie gespeichert haben, bleibt dort.',
    typeAddress: (address) => html`Geben Sie zur Bestätigung ${address} ein`,
    deleteSubmit: 'Mein Konto endgültig löschen',
    errors: {
      address: 'Das ist nicht die Adresse dieses Kontos. Nichts wurde gelöscht.',
      last_operator:
        'Sie sind hier der letzte Betreiber. Machen Sie zuerst jemand anderen dazu. Nichts wurde gelöscht.',
    },
    deletedTitle: 'Ihr Konto wurde gelöscht',
    deleted: 'Sie sind überall abgemeldet, und Anwendungen haben keinen Zugriff mehr.',
  },
  password: {
    lead: 'Geben Sie Ihr aktuelles Passwort ein, dann zweimal das neue.',
    alone: (minLength) =>
      `Mit der Anmeldung in zwei Schritten genügt das; ein Passwort allein braucht ${minLength} Zeichen.`,
    current: 'Aktuelles Passwort',
    others: 'Überall sonst abmelden und den Zugriff von Anwendungen dort beenden',
    submit: 'Passwort ändern',
    errors: {
      wrong_current:
        'Das ist nicht Ihr aktuelles Passwort. Nach mehreren Fehlversuchen pausiert ein Konto; dann gilt eine Zeit lang auch das richtige nicht.',
      same: 'Dieses Passwort haben Sie schon. Wählen Sie ein anderes.',
      missing: 'Füllen Sie alle drei Felder aus.',
      too_many: 'Aus Ihrem Netz kamen zu viele Fehlversuche. Warten Sie ein paar Minuten.',
    },
  },
  applications: {
    lead: 'Anwendungen, denen Sie erlaubt haben, Ihr Konto zu benutzen, und was sie dürfen.',
    none: 'Sie haben keiner Anwendung erlaubt, Ihr Konto zu benutzen.',
    abilities: 'Sie kann',
    since: 'Erlaubt seit',
    lastUsed: 'Zuletzt benutzt',
    devices: counted('de', { one: 'Gerät', other: 'Geräte' }),
    takeBack: 'Zugriff entziehen',
    takeBackNamed: (application) => html`${application} den Zugriff entziehen`,
    findingsHint:
      'Das kann ein Fehler der Anwendung sein, oder jemand anderes verwendet ihren Zugriff. Waren Sie es nicht, entziehen Sie den Zugriff.',
    takeBackHint: 'Er endet sofort, auf allen Geräten. Die Anwendung kann Sie erneut fragen.',
  },
}
