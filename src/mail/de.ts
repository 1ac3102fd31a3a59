import type { MailFacts, MailTexts } from './message.ts'

const from = ({ at, ip, country }: MailFacts) =>
  `Wann: ${at}${ip === undefined ? '' : `. Von: ${ip}${country === undefined ? '' : ` (vermutlich ${country})`}`}.`
const withWhat = ({ device }: MailFacts) => (device === undefined ? [] : [`Gerät: ${device}.`])
const sessionsOf = ({ home }: MailFacts) => `Wo Sie angemeldet sind: ${home}/account/sessions`
const notYou = (facts: MailFacts) =>
  `Wenn Sie das nicht waren, wählen Sie sofort ein neues Passwort: ${facts.home}/password/forgot`
const notYourFactors = (facts: MailFacts) =>
  `${notYou(facts)} Prüfen Sie danach die weiteren Schritte Ihrer Anmeldung: ${facts.home}/account/factors`

/** German. */
export const de: MailTexts = {
  reset: (facts) => ({
    subject: `Neues Passwort für ${facts.site} wählen`,
    before: [
      'Jemand hat für Ihr Konto ein neues Passwort angefordert. Wenn Sie das waren, wählen Sie es hier:',
    ],
    after: [
      `Der Link gilt einmal und ${facts.minutes} Minuten lang. Nur der neueste Link gilt.`,
      from(facts),
      'Wenn Sie das nicht waren, müssen Sie nichts tun: Ihr Passwort bleibt, wie es ist.',
    ],
  }),
  verification: (facts) => ({
    subject: `E-Mail-Adresse für ${facts.site} bestätigen`,
    before: ['Bestätigen Sie, dass diese E-Mail-Adresse Ihnen gehört:'],
    after: [
      `Der Link gilt einmal und ${facts.minutes} Minuten lang. Nur der neueste Link gilt.`,
      'Wenn Sie dort kein Konto haben, beachten Sie diese Nachricht nicht weiter.',
    ],
  }),
  password_changed: (facts) => ({
    subject: `Ihr Passwort für ${facts.site} wurde geändert`,
    before: [
      'Das Passwort Ihres Kontos wurde geändert.',
      from(facts),
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  email_change: (facts) => ({
    subject: `Neue E-Mail-Adresse für ${facts.site} bestätigen`,
    before: [
      'Jemand möchte diese E-Mail-Adresse für ein Konto verwenden. Wenn Sie das sind, bestätigen Sie es hier:',
    ],
    after: [
      `Der Link gilt einmal und ${facts.minutes} Minuten lang. Bis dahin behält das Konto seine alte Adresse.`,
      'Wenn Sie das nicht sind, beachten Sie diese Nachricht nicht weiter.',
    ],
  }),
  email_changing: (facts) => ({
    subject: `Ihre E-Mail-Adresse für ${facts.site} soll geändert werden`,
    before: [
      `Jemand, der in Ihrem Konto angemeldet ist, möchte dessen E-Mail-Adresse in ${facts.address} ändern.`,
      from(facts),
      'Wenn Sie das nicht waren, verhindern Sie es hier und wählen Sie danach ein neues Passwort:',
    ],
    after: ['Wenn Sie das waren, müssen Sie hier nichts tun.'],
  }),
  email_changed: (facts) => ({
    subject: `Ihre E-Mail-Adresse für ${facts.site} wurde geändert`,
    before: [
      `Die E-Mail-Adresse Ihres Kontos ist jetzt ${facts.address}.`,
      from(facts),
      'Wenn Sie das nicht waren, wenden Sie sich an die Betreiber dieser Seite.',
    ],
    after: [],
  }),
  username_changed: (facts) => ({
    subject: `Ihr Benutzername für ${facts.site} wurde geändert`,
    before: [
      'Der Benutzername Ihres Kontos wurde geändert. Sie können sich damit anmelden, oder mit Ihrer E-Mail-Adresse.',
      from(facts),
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  new_device: (facts) => ({
    subject: `Neue Anmeldung bei ${facts.site}`,
    before: [
      'Jemand hat sich mit einem Browser bei Ihrem Konto angemeldet, der dafür bisher nicht verwendet wurde, oder nicht mehr, seit Sie überall abgemeldet wurden.',
      ...withWhat(facts),
      from(facts),
      'Wenn Sie das waren, müssen Sie nichts tun.',
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  new_country: (facts) => ({
    subject: `Neue Anmeldung bei ${facts.site}: ${facts.country}`,
    before: [
      `Jemand hat sich mit einem Browser bei Ihrem Konto angemeldet, der dafür bisher nicht verwendet wurde, oder nicht mehr, seit Sie überall abgemeldet wurden, und aus einem Land, aus dem das Konto bisher nicht verwendet wurde: ${facts.country}.`,
      ...withWhat(facts),
      from(facts),
      'Das Land ist aus der Adresse geschätzt; es kann falsch sein.',
      'Wenn Sie das waren, müssen Sie nichts tun.',
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  sign_up: (facts) => ({
    subject: `Ihr Konto bei ${facts.site} fertigstellen`,
    before: [
      'Jemand möchte mit dieser E-Mail-Adresse ein Konto anlegen. Wenn Sie das waren, wählen Sie hier ein Passwort:',
    ],
    after: [
      `Der Link gilt einmal, bis ${facts.until}. Nur der neueste Link gilt.`,
      from(facts),
      'Wenn Sie das nicht waren, müssen Sie nichts tun: Es gibt noch kein Konto, und es entsteht keines.',
    ],
  }),
  sign_up_known: (facts) => ({
    subject: `Sie haben schon ein Konto bei ${facts.site}`,
    before: [
      'Jemand wollte mit Ihrer E-Mail-Adresse ein Konto anlegen. Sie haben schon eines.',
      from(facts),
      `Wenn Sie das waren, melden Sie sich an: ${facts.home}/account`,
      `Wenn Sie Ihr Passwort vergessen haben, wählen Sie ein neues: ${facts.home}/password/forgot`,
      'Wenn Sie das nicht waren, müssen Sie nichts tun: Es hat sich nichts geändert.',
    ],
    after: [],
  }),
  invitation: (facts) => ({
    subject: `Einladung zu ${facts.site}`,
    before: [
      'Sie sind eingeladen, mit dieser E-Mail-Adresse ein Konto anzulegen. Wählen Sie hier ein Passwort:',
    ],
    after: [
      `Der Link gilt einmal, bis ${facts.until}. Nur der neueste Link gilt.`,
      'Wenn Sie damit nichts anfangen können, müssen Sie nichts tun: Es gibt noch kein Konto.',
    ],
  }),
  factor_added: (facts) => ({
    subject: `Zweiter Schritt für Ihre Anmeldung bei ${facts.site} hinzugefügt`,
    before: [
      'Zu Ihrer Anmeldung kam ein zweiter Schritt hinzu, etwa ein Passkey oder eine App. Von jetzt an ist er erforderlich. Wenn Wiederherstellungscodes dazukamen, wurden sie nur auf der Seite gezeigt, auf der sie erzeugt wurden.',
      from(facts),
      notYourFactors(facts),
    ],
    after: [],
  }),
  factor_removed: (facts) => ({
    subject: `Zweiter Schritt Ihrer Anmeldung bei ${facts.site} entfernt`,
    before: [
      'Ein zweiter Schritt Ihrer Anmeldung wurde entfernt, etwa ein Passkey oder eine App. War es der letzte, wurden auch die Wiederherstellungscodes entfernt, und das Passwort allein genügt zur Anmeldung.',
      from(facts),
      notYourFactors(facts),
    ],
    after: [],
  }),
  recovery_codes_made: (facts) => ({
    subject: `Neue Wiederherstellungscodes für ${facts.site}`,
    before: [
      'Für Ihr Konto wurden neue Wiederherstellungscodes erzeugt. Die früheren gelten nicht mehr.',
      from(facts),
      notYourFactors(facts),
    ],
    after: [],
  }),
  recovery_code_used: (facts) => ({
    subject: `Wiederherstellungscode bei ${facts.site} verwendet`,
    before: [
      'Jemand, der Ihr Passwort kennt, hat einen Ihrer Wiederherstellungscodes als zweiten Schritt verwendet. Dieser Code gilt nicht mehr.',
      from(facts),
      notYourFactors(facts),
    ],
    after: [],
  }),
  email_code: (facts) => ({
    subject: `Ihr Code für ${facts.site}`,
    before: [
      `Geben Sie diesen Code auf der Seite ein, die danach fragt: ${facts.code}`,
      `Er gilt einmal, ${facts.minutes} Minuten lang und nur dort. Nur der neueste Code gilt. Niemand von ${facts.site} wird Sie je danach fragen.`,
      from(facts),
      notYou(facts),
    ],
    after: [],
  }),
  data_downloaded: (facts) => ({
    subject: `Ihre Daten bei ${facts.site} wurden heruntergeladen`,
    before: [
      'Jemand, der in Ihrem Konto angemeldet ist, hat alles heruntergeladen, was über Sie gespeichert ist.',
      ...withWhat(facts),
      from(facts),
      'Wenn Sie das waren, müssen Sie nichts tun.',
      notYou(facts),
      sessionsOf(facts),
    ],
    after: [],
  }),
  account_deleted: (facts) => ({
    subject: `Ihr Konto bei ${facts.site} wurde gelöscht`,
    before: [
      'Ihr Konto wurde endgültig gelöscht.',
      from(facts),
      'Wenn Sie das nicht wollten, wenden Sie sich an die Betreiber dieser Seite.',
    ],
    after: [],
  }),
}
