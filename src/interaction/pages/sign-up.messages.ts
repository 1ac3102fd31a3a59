/** The texts of the sign-up pages. */
export type SignUpMessages = {
  signUp: {
    /** The link on the sign-in page. */
    link: string
    title: string
    lead: string
    email: string
    submit: string
    signIn: string
    errors: Record<'missing' | 'invalid' | 'too_many', string>
    sent: { title: string; text: string; again: string }
    finish: {
      title: string
      lead: string
      name: string
      nameHint: string
      submit: string
      nameInvalid: string
    }
    done: { title: string; text: string; signIn: string }
    over: { title: string; text: string; signIn: string }
  }
}
