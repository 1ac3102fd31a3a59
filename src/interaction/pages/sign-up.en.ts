import type { SignUpMessages } from './sign-up.messages.ts'

/** The way to an account in English. */
export const signUpEn: SignUpMessages = {
  signUp: {
    link: 'Create an account',
    title: 'Create an account',
    lead: 'Enter your e‑mail address. We will send you a link for choosing a password.',
    email: 'E-mail address',
    submit: 'Send the link',
    signIn: 'Already have an account? Sign in',
    errors: {
      missing: 'Enter your e-mail address.',
      invalid: 'That is not an e-mail address. Check it and try again.',
      too_many: 'Too many accounts were requested. Wait a few minutes, then try again.',
    },
    sent: {
      title: 'Check your e‑mail',
      text: 'If an account can be created with this address, a link is on its way to it. If there already is one, the e-mail says so. It can take a few minutes; check your spam folder, too. Open the link in this browser to continue where you were. Only the latest link works.',
      again: 'Request another link',
    },
    finish: {
      title: 'Finish your account',
      lead: 'This address is yours. Choose a password to sign in with from now on.',
      name: 'Your name (optional)',
      nameHint: 'Applications see it when you allow them to see your profile.',
      submit: 'Create the account',
      nameInvalid: 'This name is too long, or contains invisible characters.',
    },
    done: {
      title: 'Your account is ready',
      text: 'Sign in with your e‑mail address and your password.',
      signIn: 'Sign in',
    },
    over: {
      title: 'This link is no longer valid',
      text: 'It has been used, it has expired, or there is a newer one. If you have finished your account, sign in.',
      signIn: 'Sign in',
    },
  },
}
