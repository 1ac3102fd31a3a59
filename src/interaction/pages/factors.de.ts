import type { FactorMessages } from './factors.messages.ts'

/** The pages of second factors in German. Words longer than a phone is wide have soft hyphens (U+00AD). */
export const factorsDe: FactorMessages = {
  secondFactor: {
    title: 'Bestätigen Sie, dass Sie es sind',
    lead: 'Ihr Passwort war richtig. Geben Sie den Code ein, den Ihre Authenticator-App jetzt zeigt.',
    leadPasskey: 'Ihr Passwort war richtig. Verwenden Sie nun Ihren Passkey.',
    usePasskey: 'Passkey verwenden',
    missingPasskey:
      'Dieser Browser kann hier keine Passkeys verwenden. Wählen Sie unten einen anderen Weg, oder nehmen Sie einen Browser, der es kann, mit aktivierten Skripten.',
    codeHeading: 'Oder mit Ihrer Authenticator-App',
    code: 'Code aus Ihrer App',
    codeHint: 'Sechs Ziffern. Jeder Code gilt einmal.',
    submit: 'Weiter',
    lostHeading: 'Sie haben Ihre App nicht zur Hand?',
    lostPasskeyHeading: 'Sie können Ihren Passkey nicht verwenden?',
    recovery: 'Wieder\u00ADherstellungs\u00ADcode',
    recoverySubmit: 'Wieder\u00ADherstellungs\u00ADcode verwenden',
    errors: {
      invalid:
        'Dieser Code ist falsch, schon verwendet, oder es waren zu viele Versuche. Warten Sie auf den nächsten.',
      recovery:
        'Dieser Wiederherstellungscode ist falsch, schon verwendet, oder es waren zu viele Versuche.',
      missing: 'Geben Sie einen Code ein.',
      passkey:
        'Dieser Passkey hat hier nicht funktioniert. Versuchen Sie es noch einmal, oder wählen Sie einen anderen Weg.',
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
    hint: 'Nach Ihrem Passwort geben Sie einen Code ein, den wir Ihnen per E-Mail schicken. Eine Authenticator-App schützt Sie besser: Wer Ihre E-Mails liest, bekommt auch ein neues Passwort. Haben Sie eine App, wird stattdessen diese verwendet.',
    turnOn: 'Codes per E-Mail einschalten',
    turnOff: 'Codes per E-Mail ausschalten',
  },
  factors: {
    title: 'Anmeldung in zwei Schritten',
    lead: 'Nach Ihrem Passwort verwenden Sie etwas, das nur Sie haben: einen Passkey oder den Code einer App. Wer nur Ihr Passwort kennt, kann sich damit nicht anmelden.',
    none: 'Sie haben noch nichts hinzugefügt.',
    kind: 'Art',
    kinds: {
      totp: 'Authenticator-App',
      passkey: 'Passkey',
      backedUp: 'Passkey, über seinen Anbieter auch auf Ihren anderen Geräten',
    },
    added: 'Hinzugefügt',
    lastUsed: 'Zuletzt verwendet',
    never: 'noch nicht',
    name: 'Ihre Bezeichnung',
    rename: 'Umbenennen',
    remove: 'Entfernen',
    removeHint: 'Sie werden dann nicht mehr danach gefragt.',
    kept: {
      required:
        'Hier melden sich alle in zwei Schritten an, und einen anderen zweiten Schritt haben Sie nicht. Fügen Sie einen hinzu, bevor Sie diesen entfernen.',
      short_password:
        'Ihr Passwort ist kurz: Das genügt nur bei der Anmeldung in zwei Schritten. Wählen Sie ein längeres, bevor Sie Ihren einzigen zweiten Schritt entfernen.',
    },
    endOthers: 'Auf allen anderen Geräten abmelden',
    add: 'Authenticator-App hinzufügen',
    addPasskey: 'Passkey hinzufügen',
    passkeyInstead: 'Stattdessen einen Passkey hinzufügen',
    full: 'Mehr sind nicht möglich. Entfernen Sie einen, bevor Sie einen weiteren hinzufügen.',
    codesHeading: 'Wieder\u00ADherstellungs\u00ADcodes',
    codesLeft: (left) => (left === 1 ? 'Ein Code ist übrig.' : `${left} Codes sind übrig.`),
    makeCodes: 'Neue Wieder\u00ADherstellungs\u00ADcodes erzeugen',
    makeCodesHint: 'Die bisherigen Codes werden ungültig.',
    newTitle: 'Authenticator-App hinzufügen',
    newLead: 'Scannen Sie diesen QR-Code mit Ihrer App, oder geben Sie dort den Schlüssel ein.',
    qrCode: 'QR-Code mit dem Schlüssel darunter',
    secret: 'Schlüssel',
    code: 'Code aus Ihrer App',
    codeHint: 'Die sechs Ziffern, die sie jetzt zeigt.',
    confirm: 'Hinzufügen',
    wrong: 'Dieser Code ist falsch. Geben Sie den ein, den Ihre App jetzt zeigt.',
    codesTitle: 'Ihre Wieder\u00ADherstellungs\u00ADcodes',
    codesLead:
      'Jeder davon meldet Sie einmal an, wenn Sie nichts anderes zur Hand haben. Bewahren Sie sie sicher auf: Sie werden nicht noch einmal angezeigt.',
    done: 'Ich habe sie gespeichert',
  },
  passkeys: {
    signIn: 'Mit einem Passkey anmelden',
    newTitle: 'Passkey hinzufügen',
    newLead:
      'Ihr Gerät oder Sicherheitsschlüssel speichert ihn und entsperrt ihn mit Ihrem Fingerabdruck, Ihrem Gesicht oder einer PIN. Damit melden Sie sich ohne Passwort an.',
    make: 'Passkey erstellen',
    missingMake:
      'Dieser Browser kann hier keine Passkeys erstellen. Nehmen Sie einen, der es kann, mit aktivierten Skripten, oder fügen Sie stattdessen eine Authenticator-App hinzu.',
    failed: {
      make: 'Es wurde kein Passkey erstellt. Versuchen Sie es noch einmal, oder mit einem anderen Gerät.',
      ask: 'Es wurde kein Passkey verwendet. Versuchen Sie es noch einmal, oder melden Sie sich anders an.',
    },
    known: 'Dieses Gerät hat schon einen Passkey für Ihr Konto.',
  },
}
