import type { FactorMessages } from './factors.messages.ts'

/** The pages of second factors in English. */
export const factorsEn: FactorMessages = {
  secondFactor: {
    title: 'Confirm that it is you',
    lead: 'Your password was right. Enter the code that your authenticator app shows now.',
    code: 'Code from your app',
    codeHint: 'Six digits. Each code works once.',
    submit: 'Continue',
    lostHeading: 'You do not have your app?',
    recovery: 'Recovery code',
    recoverySubmit: 'Use the recovery code',
    errors: {
      invalid:
        'This code is wrong, was used already, or there were too many tries. Wait for the next one.',
      missing: 'Enter a code.',
    },
  },
  factors: {
    title: 'Second factors',
    lead: 'With a second factor, your password alone opens nothing.',
    none: 'You have none yet.',
    added: 'Added',
    lastUsed: 'Last used',
    never: 'not yet',
    name: 'What you call it',
    rename: 'Rename',
    remove: 'Remove',
    removeHint: 'From then on it is not asked for any more.',
    kept: {
      required:
        'Everybody needs a second factor here, and this is your last one. Add another one before you remove it.',
      short_password:
        'Your password is short: that is enough only beside a second factor. Choose a longer one before you remove your last factor.',
    },
    endOthers: 'Sign me out on all other devices',
    add: 'Add an authenticator app',
    full: 'You have as many as there may be. Remove one before you add another.',
    codesHeading: 'Recovery codes',
    codesLeft: (left) => (left === 1 ? 'One code is left.' : `${left} codes are left.`),
    makeCodes: 'Make new recovery codes',
    makeCodesHint: 'The codes that you have now become void.',
    newTitle: 'Add an authenticator app',
    newLead: 'Scan this picture with your app, or type the key into it.',
    qrCode: 'QR code with the key below',
    secret: 'Key',
    code: 'Code from your app',
    codeHint: 'The six digits that it shows now.',
    confirm: 'Add',
    wrong: 'This code does not fit. Enter the one that your app shows now.',
    codesTitle: 'Your recovery codes',
    codesLead:
      'Each of them signs you in once when you do not have your app. Keep them in a safe place: they are not shown again.',
    done: 'I have kept them',
  },
}
