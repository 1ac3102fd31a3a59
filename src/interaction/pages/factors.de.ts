import type { FactorMessages } from './factors.messages.ts'

/** The pages of second factors in German. */
export const factorsDe: FactorMessages = {
  secondFactor: {
    title: 'Bestätigen Sie, dass Sie es sind',
    lead: 'Ihr Passwort war richtig. Geben Sie den Code ein, den Ihre Authenticator-App jetzt zeigt.',
    leadPasskey: 'Ihr Passwort war richtig. Zeigen Sie nun Ihren Passkey.',
    usePasskey: 'Passkey verwenden',
    missingPasskey:
      'Dieser Browser kann hier keine Passkeys verwenden. Nehmen Sie einen anderen Weg unten, oder einen Browser, der es kann, mit eingeschalteten Skripten.',
    codeHeading: 'Oder mit Ihrer Authenticator-App',
    code: 'Code aus Ihrer App',
    codeHint: 'Sechs Ziffern. Jeder Code gilt einmal.',
    submit: 'Weiter',
    lostHeading: 'Sie haben Ihre App nicht zur Hand?',
    lostPasskeyHeading: 'Sie können Ihren Passkey nicht verwenden?',
    recovery: 'Wiederherstellungscode',
    recoverySubmit: 'Wiederherstellungscode verwenden',
    errors: {
      invalid:
        'Dieser Code ist falsch, schon verwendet, oder es waren zu viele Versuche. Warten Sie auf den nächsten.',
      missing: 'Geben Sie einen Code ein.',
      passkey:
        'Dieser Passkey hat Sie hier nicht angemeldet. Versuchen Sie es noch einmal, oder nehmen Sie einen anderen Weg.',
    },
  },
  emailCode: {
    title: 'Sehen Sie in Ihrem Postfach nach',
    lead: 'Wenn Sie jetzt einen Code bekommen können, ist er zu dieser Adresse unterwegs.',
    code: 'Code aus der E-Mail',
    codeHint: 'Acht Ziffern. Er gilt zehn Minuten, einmal und nur auf dieser Seite.',
    submit: 'Weiter',
    againHint:
      'Nichts angekommen? Sehen Sie auch im Spam-Ordner nach, und warten Sie eine halbe Minute, bevor Sie noch einen anfordern. Nur der neueste Code gilt.',
    again: 'Noch einen Code senden',
    errors: {
      invalid:
        'Dieser Code ist falsch, schon verwendet, zu alt, oder es waren zu viele Versuche. Nur der neueste gilt.',
      missing: 'Geben Sie den Code ein.',
    },
    heading: 'Codes per E-Mail',
    isOff: 'Ausgeschaltet.',
    isOn: (since) => `Eingeschaltet seit ${since}.`,
    hint: 'Nach Ihrem Passwort geben Sie einen Code ein, den wir Ihnen schicken. Eine Authenticator-App schützt Sie besser: Wer Ihre E-Mails liest, bekommt auch ein neues Passwort. Wo Sie eine App haben, wird nach ihr gefragt.',
    turnOn: 'Codes per E-Mail einschalten',
    turnOff: 'Codes per E-Mail ausschalten',
  },
  factors: {
    title: 'Anmeldung in zwei Schritten',
    lead: 'Nach Ihrem Passwort zeigen Sie etwas, das nur Sie haben: einen Passkey oder den Code einer App. Wer nur Ihr Passwort kennt, kommt damit nicht hinein.',
    none: 'Sie haben noch nichts hinzugefügt.',
    kind: 'Art',
    kinds: {
      totp: 'Authenticator-App',
      passkey: 'Passkey',
      backedUp: 'Passkey, den sein Anbieter auch für Ihre anderen Geräte aufbewahrt',
    },
    added: 'Hinzugefügt',
    lastUsed: 'Zuletzt verwendet',
    never: 'noch nicht',
    name: 'Ihre Bezeichnung',
    rename: 'Umbenennen',
    remove: 'Entfernen',
    removeHint: 'Von da an wird nicht mehr danach gefragt.',
    kept: {
      required:
        'Hier melden sich alle in zwei Schritten an, und für den zweiten haben Sie sonst nichts. Fügen Sie etwas anderes hinzu, bevor Sie das entfernen.',
      short_password:
        'Ihr Passwort ist kurz: Das genügt nur bei der Anmeldung in zwei Schritten. Wählen Sie ein längeres, bevor Sie das Letzte entfernen, was Sie für den zweiten Schritt haben.',
    },
    endOthers: 'Auf allen anderen Geräten abmelden',
    add: 'Authenticator-App hinzufügen',
    addPasskey: 'Passkey hinzufügen',
    passkeyInstead: 'Stattdessen einen Passkey hinzufügen',
    full: 'Sie haben so viele, wie es geben darf. Entfernen Sie einen, bevor Sie einen weiteren hinzufügen.',
    codesHeading: 'Wiederherstellungscodes',
    codesLeft: (left) => (left === 1 ? 'Ein Code ist übrig.' : `${left} Codes sind übrig.`),
    makeCodes: 'Neue Wiederherstellungscodes erzeugen',
    makeCodesHint: 'Die bisherigen Codes werden ungültig.',
    newTitle: 'Authenticator-App hinzufügen',
    newLead: 'Lesen Sie dieses Bild mit Ihrer App ein, oder tippen Sie den Schlüssel ab.',
    qrCode: 'QR-Code mit dem Schlüssel darunter',
    secret: 'Schlüssel',
    code: 'Code aus Ihrer App',
    codeHint: 'Die sechs Ziffern, die sie jetzt zeigt.',
    confirm: 'Hinzufügen',
    wrong: 'Dieser Code passt nicht. Geben Sie den ein, den Ihre App jetzt zeigt.',
    codesTitle: 'Ihre Codes zur Wiederherstellung',
    codesLead:
      'Jeder davon meldet Sie einmal an, wenn Sie nichts anderes zur Hand haben. Bewahren Sie sie sicher auf: Sie werden nicht wieder gezeigt.',
    done: 'Ich habe sie aufbewahrt',
  },
  passkeys: {
    signIn: 'Mit einem Passkey anmelden',
    newTitle: 'Passkey hinzufügen',
    newLead:
      'Ihr Gerät oder Sicherheitsschlüssel bewahrt ihn auf und entsperrt ihn wie sich selbst: mit Ihrem Finger, Ihrem Gesicht oder einer PIN. Damit melden Sie sich ohne Passwort an.',
    make: 'Passkey erstellen',
    missingMake:
      'Dieser Browser kann hier keine Passkeys erstellen. Nehmen Sie einen, der es kann, mit eingeschalteten Skripten, oder fügen Sie stattdessen eine Authenticator-App hinzu.',
    failed: {
      make: 'Es wurde kein Passkey erstellt. Versuchen Sie es noch einmal, oder mit einem anderen Gerät.',
      ask: 'Es wurde kein Passkey gezeigt. Versuchen Sie es noch einmal, oder melden Sie sich anders an.',
    },
    known: 'Dieses Gerät hat schon einen Passkey für Ihr Konto.',
  },
}
