import { html } from '../../http/html.ts'
import { accountDe } from './account.de.ts'
import { factorsDe } from './factors.de.ts'
import { counted } from './format.ts'
import type { Messages } from './messages.ts'
import { signUpDe } from './sign-up.de.ts'

const characters = counted('de', { one: 'Zeichen', other: 'Zeichen' })

/** German, addressing people as „Sie“. */
export const de: Messages = {
  locale: 'de',
  layout: {
    faultTitle: (title) => `Fehler: ${title}`,
    promise: 'Ihr Passwort bleibt hier. Anwendungen bekommen es nie zu sehen.',
  },
  login: {
    title: 'Anmelden',
    lead: (client) => html`und weiter zu ${client}`,
    leadAccount: 'und weiter zu Ihrem Konto',
    username: 'E-Mail-Adresse oder Benutzername',
    password: 'Passwort',
    show: 'Passwort anzeigen',
    submit: 'Anmelden',
    cancel: 'Abbrechen',
    forgot: 'Passwort vergessen?',
    errors: {
      invalid:
        'Benutzername und Passwort passen nicht zusammen. Prüfen Sie beides und versuchen Sie es noch einmal. Nach mehreren Fehlversuchen pausiert ein Konto; dann gilt eine Zeit lang auch das richtige Passwort nicht.',
      missing: 'Geben Sie Ihre E-Mail-Adresse oder Ihren Benutzernamen und Ihr Passwort ein.',
      busy: 'Gerade melden sich zu viele Menschen gleichzeitig an. Warten Sie ein paar Sekunden und versuchen Sie es dann noch einmal.',
      too_many:
        'Aus Ihrem Netz kamen zu viele fehlgeschlagene Anmeldungen. Warten Sie ein paar Minuten und versuchen Sie es dann noch einmal.',
      one_time_expired: 'Dieses Einmalpasswort gilt nicht mehr. Fordern Sie ein neues an.',
      second_factor: 'Es waren zu viele Versuche. Melden Sie sich noch einmal an.',
      passkey:
        'Dieser Passkey hat hier nicht funktioniert. Versuchen Sie es noch einmal, oder melden Sie sich mit Ihrem Passwort an.',
    },
  },
  consent: {
    title: 'Zugriff erlauben',
    heading: (client) => html`Darf ${client} Ihr Konto verwenden?`,
    signedInAs: (account) => html`Angemeldet als ${account}`,
    abilities: 'Wenn Sie es erlauben, kann diese Anwendung',
    nothing: 'Erfahren, dass Sie hier ein Konto haben, und sonst nichts',
    resource: (resource) => html`Bei ${resource} kann sie`,
    actForYou: 'In Ihrem Namen handeln',
    unverified: (client) =>
      html`Niemand hat geprüft, wer hinter ${client} steht. Erlauben Sie den Zugriff nur, wenn Sie die Anwendung kennen und ihr vertrauen.`,
    document: (client, host) =>
      html`Diese Anwendung kommt von ${host} und nennt sich ${client}. Hier hat sie niemand geprüft: Erlauben Sie den Zugriff nur, wenn Sie ${host} vertrauen.`,
    localhost:
      'Diese Anwendung läuft auf Ihrem eigenen Gerät, und andere Programme dort können sich für sie ausgeben. ' +
      'Fahren Sie nur fort, wenn Sie sie gerade eben selbst gestartet haben.',
    offline: 'Den Zugriff auch in Ihrer Abwesenheit behalten, bis Sie ihn entziehen',
    untilSignOut: 'Der Zugriff endet, wenn Sie sich abmelden.',
    limited: 'Der Zugriff endet nach begrenzter Zeit automatisch.',
    application: 'Anwendung',
    website: 'Website',
    returnsTo: 'Schickt Sie zurück zu',
    deviceCode: 'Code auf Ihrem Gerät',
    policy: 'Datenschutzerklärung',
    terms: 'Nutzungsbedingungen',
    newTab: '(öffnet sich in einem neuen Tab)',
    allow: 'Erlauben',
    deny: 'Ablehnen',
    scopes: {
      openid: 'Sie wiedererkennen, wenn Sie zurückkommen',
      profile: 'Ihren Namen und Ihr Profil sehen',
      email: 'Ihre E-Mail-Adresse sehen',
      phone: 'Ihre Telefonnummer sehen',
      address: 'Ihre Postanschrift sehen',
      offline_access: 'Den Zugriff auch in Ihrer Abwesenheit behalten, bis Sie ihn entziehen',
    },
  },
  password: {
    title: 'Neues Passwort wählen',
    lead: 'Das Passwort, mit dem Sie sich angemeldet haben, gilt nur ein einziges Mal. Von jetzt an gilt das, das Sie hier wählen.',
    tooShort:
      'Ihr Passwort ist kurz, und Sie melden sich nicht mehr in zwei Schritten an. Von jetzt an gilt das, das Sie hier wählen.',
    username: 'Konto',
    newPassword: 'Neues Passwort',
    confirm: 'Neues Passwort wiederholen',
    hint: (minLength) =>
      `Mindestens ${characters(minLength)}. Ein paar Wörter ohne Zusammenhang sind leicht zu merken und schwer zu erraten.`,
    submit: 'Passwort speichern',
    errors: {
      too_short: (minLength) =>
        `Dieses Passwort ist zu kurz. Es braucht mindestens ${characters(minLength)}.`,
      mismatch: 'Die beiden Passwörter sind verschieden. Geben Sie zweimal dasselbe ein.',
      same: 'Das ist das Einmalpasswort. Wählen Sie eines, das Sie hier noch nie verwendet haben.',
      too_long: 'Dieses Passwort ist zu lang. Wählen Sie ein kürzeres.',
      compromised:
        'Dieses Passwort stand anderswo in einem Datenleck. Angreifer probieren es zuerst; wählen Sie ein anderes.',
      expected:
        'Dieses Passwort ist kaum mehr als Ihr Name oder Ihre Adresse oder der Name dieser Seite. Wählen Sie ein anderes.',
      missing: 'Geben Sie Ihr neues Passwort in beide Felder ein.',
      busy: 'Gerade melden sich zu viele Menschen gleichzeitig an. Warten Sie ein paar Sekunden und versuchen Sie es dann noch einmal.',
    },
  },
  recovery: {
    title: 'Passwort vergessen?',
    lead: 'Sagen Sie uns, wer Sie sind. Wenn es ein Konto gibt, senden wir an dessen E-Mail-Adresse einen Link, mit dem Sie ein neues Passwort wählen können.',
    submit: 'Link senden',
    errors: {
      missing: 'Geben Sie Ihre E-Mail-Adresse oder Ihren Benutzernamen ein.',
      too_many:
        'Aus Ihrem Netz wurden zu viele Links angefordert. Warten Sie einige Minuten und versuchen Sie es dann erneut.',
    },
    sent: {
      title: 'Sehen Sie in Ihrem Postfach nach',
      text: 'Wenn es zu Ihrer Eingabe ein Konto gibt, ist ein Link an dessen E-Mail-Adresse unterwegs. Das kann einige Minuten dauern; sehen Sie auch im Spam-Ordner nach. Nur der neueste Link gilt.',
      again: 'Einen weiteren Link anfordern',
    },
    chooseLead:
      'Wählen Sie ein neues Passwort. Sie werden dann überall abgemeldet und melden sich mit dem neuen Passwort an.',
    done: {
      title: 'Ihr Passwort wurde geändert',
      text: 'Sie sind überall abgemeldet. Melden Sie sich mit Ihrem neuen Passwort an.',
      signIn: 'Anmelden',
    },
    over: {
      title: 'Dieser Link gilt nicht mehr',
      text: 'Er wurde schon verwendet, ist abgelaufen, oder es gibt einen neueren.',
      again: 'Neuen Link anfordern',
    },
  },
  email: {
    title: 'E‑Mail-Adresse ändern',
    unverified: 'Sie haben noch nicht bestätigt, dass diese Adresse Ihnen gehört.',
    verify: 'Link zur Bestätigung senden',
    newEmail: 'Neue E-Mail-Adresse',
    hint: 'Wir senden einen Link dorthin. Ihr Konto behält die alte Adresse, bis Sie ihn geöffnet haben.',
    change: 'Link senden',
    sent: {
      verification:
        'Ein Link ist an Ihre Adresse unterwegs. Öffnen Sie ihn, um zu bestätigen, dass sie Ihnen gehört.',
      change:
        'Ein Link ist an die neue Adresse unterwegs und ein Hinweis an die alte. Nichts ändert sich, bis Sie den Link geöffnet haben.',
    },
    errors: {
      invalid: 'Das ist keine E-Mail-Adresse. Prüfen Sie sie und versuchen Sie es erneut.',
      too_many:
        'Für dieses Konto wurden zu viele Nachrichten gesendet. Warten Sie eine Stunde und versuchen Sie es dann erneut.',
    },
    steps: {
      verification: {
        title: 'E-Mail-Adresse bestätigen',
        label: 'Diese Adresse gehört mir',
        done: { title: 'Ihre E-Mail-Adresse ist bestätigt', text: 'Danke. Das ist alles.' },
      },
      email_change: {
        title: 'Diese E-Mail-Adresse verwenden?',
        label: 'Diese Adresse verwenden',
        done: {
          title: 'Ihre E-Mail-Adresse wurde geändert',
          text: 'Von jetzt an melden Sie sich mit der neuen an.',
        },
      },
      email_objection: {
        title: 'Diese E-Mail-Adresse behalten?',
        label: 'Diese Adresse behalten',
        done: {
          title: 'Ihre E-Mail-Adresse bleibt',
          text: 'Der Link an die andere Adresse ist ungültig. Wer ihn anforderte, war in Ihrem Namen angemeldet: Wählen Sie jetzt ein neues Passwort.',
        },
      },
    },
    over: {
      title: 'Dieser Link gilt nicht mehr',
      text: 'Er wurde schon verwendet, ist abgelaufen, oder es gibt einen neueren.',
      taken: 'Diese Adresse gehört inzwischen zu einem anderen Konto.',
      next: 'Zu Ihrem Konto',
    },
  },
  ...factorsDe,
  ...signUpDe,
  logout: {
    title: 'Abmelden?',
    signedInAs: (account) => html`Sie sind als ${account} angemeldet.`,
    effect: 'Das Abmelden beendet Ihre Sitzung hier und in den Anwendungen, die sie verwenden.',
    askedBy: (client) => html`${client} möchte Sie abmelden.`,
    submit: 'Abmelden',
    stay: 'Angemeldet bleiben',
    doneTitle: 'Sie sind abgemeldet',
    done: 'Ihre Sitzung ist beendet. Schließen Sie an einem gemeinsam genutzten Gerät auch den Browser.',
    returnTo: (client) => html`Sie können jetzt zu ${client} zurückkehren.`,
    again: 'Wieder anmelden',
  },
  device: {
    title: 'Gerät verbinden',
    lead: 'Geben Sie den Code ein, den Ihr Gerät anzeigt.',
    code: 'Code des Geräts',
    hint: 'Acht Buchstaben, zum Beispiel BCDF-GHJK. Großschreibung und Bindestrich spielen keine Rolle.',
    submit: 'Weiter',
    signInFirst: 'Anmelden',
    errors: {
      invalid:
        'Dieser Code ist nicht gültig. Vergleichen Sie ihn mit Ihrem Gerät; wenn er abgelaufen ist, kann Ihr Gerät einen neuen anzeigen.',
      missing: 'Geben Sie den Code ein, den Ihr Gerät anzeigt.',
      too_many:
        'Es wurden zu viele falsche Codes eingegeben. Warten Sie zehn Minuten, oder melden Sie sich zuerst an und geben Sie den Code danach ein.',
    },
    confirmTitle: 'Ist das Ihr Gerät?',
    confirmHeading: (client) => html`${client} mit Ihrem Konto verbinden?`,
    compare: 'Ihr Gerät muss genau diesen Code anzeigen',
    warning:
      'Fahren Sie nur fort, wenn Sie das selbst auf einem Gerät begonnen haben, das Sie vor sich haben. Wenn Ihnen ' +
      'jemand diesen Code oder einen Link damit geschickt hat, lehnen Sie ab: Sonst bekäme er Zugriff auf Ihr Konto.',
    proceed: 'Weiter',
    deny: 'Ablehnen',
    outcomes: {
      allowed: {
        title: 'Ihr Gerät ist verbunden',
        text: 'Es fährt in ein paar Sekunden automatisch fort. Sie können diese Seite schließen.',
      },
      denied: {
        title: 'Das Gerät wurde abgelehnt',
        text: 'Es bekommt keinen Zugriff auf Ihr Konto. Sie können diese Seite schließen.',
      },
      over: {
        title: 'Dieser Code gilt nicht mehr',
        text: 'Er ist abgelaufen oder wurde schon verwendet. Beginnen Sie auf Ihrem Gerät von vorn, um einen neuen Code zu bekommen.',
      },
    },
    again: 'Anderen Code eingeben',
  },
  request: {
    listHeading: 'Wartet auf Ihre Antwort',
    listLead: 'Öffnen Sie eine Anfrage und lesen Sie, worum es geht, bevor Sie antworten.',
    title: 'Anfrage beantworten',
    heading: (client) => html`${client} bittet Sie, sich anzumelden`,
    warning:
      'Erlauben Sie nur, was Sie gerade selbst begonnen haben. Wenn Sie es nicht waren, lehnen Sie ab: Sonst bekäme ' +
      'jemand anderes Zugriff auf Ihr Konto.',
    message: 'Die Anwendung muss Ihnen genau diese Nachricht zeigen; wenn nicht, lehnen Sie ab',
    askedFrom: 'Angefragt von',
    askedAt: 'Angefragt am',
    validUntil: 'Antworten bis',
    outcomes: {
      allowed: {
        title: 'Sie haben die Anfrage erlaubt',
        text: 'Die Anwendung fährt in ein paar Sekunden automatisch fort. Sie können diese Seite schließen.',
      },
      denied: {
        title: 'Sie haben die Anfrage abgelehnt',
        text: 'Die Anwendung bekommt keinen Zugriff auf Ihr Konto. Sie können diese Seite schließen.',
      },
      over: {
        title: 'Diese Anfrage ist nicht mehr offen',
        text: 'Sie ist abgelaufen, wurde schon beantwortet oder gilt einem anderen Konto. Die Anwendung kann noch einmal anfragen.',
      },
    },
    back: 'Zurück zu Ihrem Konto',
  },
  handover: {
    title: 'Gleich geschafft',
    text: 'Sie werden zurückgeleitet. Falls nichts geschieht, klicken Sie auf die Schaltfläche.',
    submit: 'Weiter',
  },
  error: {
    reference: 'Kennung',
    referenceHint: 'Nennen Sie diese Kennung, wenn Sie um Hilfe bitten.',
    details: 'Für die Betreiber der Anwendung',
    code: 'Fehlercode',
    status: 'Status',
    time: 'Zeitpunkt',
    description: 'Beschreibung',
    wayBack: (host) =>
      html`Die Anwendung ist bei ${host}. Niemand hat geprüft, wer das ist: Gehen Sie nur zurück, wenn Sie sie kennen und von dort gekommen sind.`,
    wayBackSubmit: 'Zurück zur Anwendung',
    kinds: {
      request: {
        title: 'Diese Anfrage ist ungültig',
        text: 'Die Anwendung hat Sie mit einer fehlerhaften Anfrage hierher geschickt. Gehen Sie zu ihr zurück und versuchen Sie es noch einmal.',
      },
      application: {
        title: 'Wir kennen diese Anwendung nicht',
        text: 'Die Anwendung, die Sie hierher geschickt hat, ist bei uns nicht registriert oder darf nicht, worum sie gebeten hat.',
      },
      redirect: {
        title: 'Diese Adresse ist nicht registriert',
        text: 'Zum Schutz Ihres Kontos schicken wir Sie nur zu Adressen, die die Anwendung registriert hat. Diese gehört nicht dazu.',
      },
      scope: {
        title: 'Die Anwendung hat zu viel verlangt',
        text: 'Sie hat um Zugriff gebeten, den es nicht gibt oder den sie nicht haben darf.',
      },
      target: {
        title: 'Wir kennen diesen Dienst nicht',
        text: 'Die Anwendung hat um Zugriff auf einen Dienst gebeten, der bei uns nicht registriert ist.',
      },
      denied: {
        title: 'Der Zugriff wurde nicht erlaubt',
        text: 'Die Anwendung bekommt keinen Zugriff auf Ihr Konto. Sie können zu ihr zurückkehren oder diese Seite schließen.',
      },
      signin: {
        title: 'Melden Sie sich zuerst an',
        text: 'Gehen Sie zurück zur Anwendung und beginnen Sie von vorn; Sie werden dann nach Ihrer Anmeldung gefragt.',
      },
      session: {
        title: 'Sie sind nicht angemeldet',
        text: 'Dieser Browser hat unser Cookie nicht behalten, oder Sie haben sich inzwischen abgemeldet. Beginnen Sie von vorn.',
      },
      expired: {
        title: 'Diese Seite ist abgelaufen',
        text: 'Sie war zu lange offen oder wurde schon verwendet. Gehen Sie zurück zur Anwendung und beginnen Sie von vorn.',
      },
      forbidden: {
        title: 'Wir konnten nicht bestätigen, dass Sie es waren',
        text: 'Das Formular kam nicht von unserer eigenen Seite, oder Ihr Browser blockiert unsere Cookies. Gehen Sie zurück und versuchen Sie es noch einmal.',
      },
      not_found: {
        title: 'Diese Seite gibt es nicht',
        text: 'Die Adresse ist vielleicht falsch geschrieben, oder die Seite gibt es nicht mehr.',
      },
      too_many: {
        title: 'Zu viele Versuche',
        text: 'Warten Sie ein paar Minuten und versuchen Sie es dann noch einmal.',
      },
      unavailable: {
        title: 'Wir sind gerade überlastet',
        text: 'Mit Ihrem Konto ist alles in Ordnung. Versuchen Sie es gleich noch einmal.',
      },
      broken: {
        title: 'Bei uns ist etwas schiefgegangen',
        text: 'Es liegt nicht an Ihnen. Versuchen Sie es gleich noch einmal; wenn es wieder geschieht, nennen Sie uns die Kennung unten.',
      },
    },
  },
  account: accountDe,
  home: {
    title: 'Anmeldedienst',
    lead: 'Dieser Server meldet Menschen bei ihren Anwendungen an und stellt die Token aus, die diese Anwendungen verwenden.',
    account: 'Zu Ihrem Konto',
    developers: 'Für Entwickler',
    issuer: 'Aussteller (Issuer)',
    discovery: 'Discovery-Dokument',
  },
}
