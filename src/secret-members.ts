/** Members of declarations of operators and clients whose value is a secret: never shown, never logged. */
export const declaredSecrets = [
  'client_secret',
  'password',
  'password_hash',
  'secret',
  'authorization_header',
] as const

/** Members that make a JWK a private or a symmetric one (RFC 7518 §6; `priv` of post-quantum keys). */
export const privateKeyMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const
