import { z } from 'zod'

/** A URL that we post to; whether it may be reached is decided at each request (target.ts). */
export const receiverUrl = z
  .string()
  .max(2000)
  .refine(
    (text) => {
      const url = URL.parse(text)
      const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:'
      return isWeb && url.username === '' && url.password === '' && url.hash === ''
    },
    { error: 'must be an https URL without user information and without a fragment' },
  )
