import type { FactorMessages } from './factors.messages.ts'

/** The pages of second factors in English. */
export const factorsEn: FactorMessages = {
  secondFactor: {
    title: 'Confirm that it is you',
    lead: 'Your password was right. Enter the code that your authenticator app shows now.',
    leadPasskey: 'Your password was right. Now show your passkey.',
    usePasskey: 'Use your passkey',
    missingPasskey:
      'This browser cannot use passkeys here. Use another way below, or a browser that can, with scripts switched on.',
    codeHeading: 'Or use your authenticator app',
    code: 'Code from your app',
    codeHint: 'Six digits. Each code works once.',
    submit: 'Continue',
    lostHeading: 'You do not have your app?',
    lostPasskeyHeading: 'You cannot use your passkey?',
    recovery: 'Recovery code',
    recoverySubmit: 'Use the recovery code',
    errors: {
      invalid:
        'This code is wrong, was used already, or there were too many tries. Wait for the next one.',
      missing: 'Enter a code.',
      passkey: 'This passkey did not sign you in here. Try again, or use another way.',
    },
  },
  emailCode: {
    title: 'Look into your mail',
    lead: 'If you may have a code now, it is on its way to this address.',
    code: 'Code from the mail',
    codeHint: 'Eight digits. It works for ten minutes, once, and on this page alone.',
    submit: 'Continue',
    againHint:
      'Nothing came? Look into the spam folder, and wait for half a minute before you ask again. Only the latest code works.',
    again: 'Send another code',
    errors: {
      invalid:
        'This code is wrong, was used already, is too old, or there were too many tries. Only the latest one works.',
      missing: 'Enter the code.',
    },
    heading: 'Codes by e‑mail',
    isOff: 'Off.',
    isOn: (since) => `On since ${since}.`,
    hint: 'After your password you type a code that we mail to you. An authenticator app protects you better: who reads your mail can get a new password, too. Where you have an app, it is asked for instead.',
    turnOn: 'Turn on codes by e‑mail',
    turnOff: 'Turn off codes by e‑mail',
  },
  factors: {
    title: 'Two-step sign-in',
    lead: 'After your password you show something that only you have: a passkey, or a code of an app. Whoever learns your password cannot get in with it alone.',
    none: 'You have added nothing yet.',
    kind: 'Kind',
    kinds: {
      totp: 'Authenticator app',
      passkey: 'Passkey',
      backedUp: 'Passkey that its provider keeps for your other devices, too',
    },
    added: 'Added',
    lastUsed: 'Last used',
    never: 'not yet',
    name: 'What you call it',
    rename: 'Rename',
    remove: 'Remove',
    removeHint: 'From then on it is not asked for any more.',
    kept: {
      required:
        'Everybody signs in with two steps here, and this is the last thing that you have for the second one. Add another one before you remove it.',
      short_password:
        'Your password is short: that is enough only with two-step sign-in. Choose a longer one before you remove the last thing that you have for the second step.',
    },
    endOthers: 'Sign me out on all other devices',
    add: 'Add an authenticator app',
    addPasskey: 'Add a passkey',
    passkeyInstead: 'Add a passkey instead',
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
      'Each of them signs you in once when you have nothing else at hand. Keep them in a safe place: they are not shown again.',
    done: 'I have kept them',
  },
  passkeys: {
    signIn: 'Sign in with a passkey',
    newTitle: 'Add a passkey',
    newLead:
      'Your device or security key keeps it, and unlocks it as it unlocks itself: by your finger, your face or a PIN. With it you sign in without your password.',
    make: 'Make the passkey',
    missingMake:
      'This browser cannot make passkeys here. Use one that can, with scripts switched on, or add an authenticator app instead.',
    failed: {
      make: 'No passkey was made. Try again, or use another device.',
      ask: 'No passkey was shown. Try again, or sign in another way.',
    },
    known: 'This device has a passkey for your account already.',
  },
}
