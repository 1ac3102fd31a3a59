import type { SignUpMessages } from './sign-up.messages.ts'

/** The way to an account in English. */
export const signUpEn: SignUpMessages = {
  signUp: {
    link: 'Create an account',
    title: 'Create an account',
    lead: 'Tell us your e‑mail address. We send a link to it with which you choose a password.',
    email: 'E-mail address',
    submit: 'Send the link',
    signIn: 'You have an account? Sign in',
    errors: {
      missing: 'Enter your e-mail address.',
      invalid: 'That is no e-mail address. Check it and try again.',
      too_many: 'Too many accounts were asked for. Wait a few minutes, then try again.',
    },
    sent: {
      title: 'Look into your mail',
      text: 'If an account can be made with this address, a link is on its way to it. If there is one already, the mail says so. It can take a few minutes; look into the spam folder, too. Open the link in this browser, and you go on where you were. Only the latest link works.',
      again: 'Ask for another link',
    },
    finish: {
      title: 'Finish your account',
      lead: 'This address is yours. Choose a password with which you sign in from now on.',
      name: 'Your name (if you like)',
      nameHint: 'Applications see it when you allow them to see your profile.',
      submit: 'Create the account',
      nameInvalid: 'This name is too long, or has characters that nobody can see.',
    },
    done: {
      title: 'Your account is ready',
      text: 'Sign in with your e‑mail address and your password.',
      signIn: 'Sign in',
    },
    over: {
      title: 'This link is no longer valid',
      text: 'It was used already, its time is over, or there is a later one. If you have finished your account, sign in.',
      signIn: 'Sign in',
    },
  },
}
