import type { SignUpMessages } from './sign-up.messages.ts'

/** The way to an account in German. */
export const signUpDe: SignUpMessages = {
  signUp: {
    link: 'Konto anlegen',
    title: 'Konto anlegen',
    lead: 'Geben Sie Ihre E‑Mail-Adresse ein. Wir senden Ihnen einen Link, mit dem Sie ein Passwort wählen können.',
    email: 'E-Mail-Adresse',
    submit: 'Link senden',
    signIn: 'Sie haben schon ein Konto? Anmelden',
    errors: {
      missing: 'Geben Sie Ihre E-Mail-Adresse ein.',
      invalid: 'Das ist keine E-Mail-Adresse. Prüfen Sie sie und versuchen Sie es noch einmal.',
      too_many:
        'Es wurden zu viele Konten angefordert. Warten Sie einige Minuten und versuchen Sie es dann erneut.',
    },
    sent: {
      title: 'Sehen Sie in Ihrem Postfach nach',
      text: 'Wenn mit dieser Adresse ein Konto angelegt werden kann, ist ein Link dorthin unterwegs. Gibt es schon eines, steht das in der Nachricht. Es kann einige Minuten dauern; sehen Sie auch im Spam-Ordner nach. Öffnen Sie den Link in diesem Browser, um dort weiterzumachen, wo Sie waren. Nur der neueste Link gilt.',
      again: 'Noch einen Link anfordern',
    },
    finish: {
      title: 'Konto fertigstellen',
      lead: 'Diese Adresse gehört Ihnen. Wählen Sie ein Passwort, mit dem Sie sich von jetzt an anmelden.',
      name: 'Ihr Name (optional)',
      nameHint: 'Anwendungen sehen ihn, wenn Sie ihnen Ihr Profil zeigen.',
      submit: 'Konto anlegen',
      nameInvalid: 'Dieser Name ist zu lang oder enthält unsichtbare Zeichen.',
    },
    done: {
      title: 'Ihr Konto ist fertig',
      text: 'Melden Sie sich mit Ihrer E‑Mail-Adresse und Ihrem Passwort an.',
      signIn: 'Anmelden',
    },
    over: {
      title: 'Dieser Link gilt nicht mehr',
      text: 'Er wurde schon verwendet, ist abgelaufen, oder es gibt einen neueren. Wenn Ihr Konto fertig ist, melden Sie sich an.',
      signIn: 'Anmelden',
    },
  },
}
