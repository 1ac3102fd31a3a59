import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { contrastIn, legible } from './colour.ts'
import { type Image, imageOf } from './image.ts'
import { oneOf, text } from './values.ts'

/** The languages of the pages. */
export const languages = ['en', 'de'] as const

/** Most bytes of a logo, which every visitor loads. */
const largestLogo = 262_144

/** A path. Output: the image in the file. */
const logo = z
  .string()
  .transform((path, context): Image => {
    const fault = (message: string) => {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
    let body: Buffer
    try {
      body = readFileSync(path)
    } catch (error) {
      return fault((error as NodeJS.ErrnoException).code ?? 'unreadable')
    }
    if (body.length > largestLogo) return fault(`it has ${body.length} bytes`)
    return imageOf(body) ?? fault('it has another format')
  })
  .describe(`a file of at most ${largestLogo} bytes that is SVG, PNG, JPEG, GIF or WebP`)

/** A colour readable as text in a scheme. Output: in lower case. */
function accent(scheme: 'light' | 'dark') {
  return z
    .string()
    .regex(/^#[\da-f]{6}$/i, { abort: true })
    .toLowerCase()
    .superRefine((colour, context) => {
      const ratio = contrastIn(scheme, colour)
      if (ratio >= legible) return
      const better = scheme === 'light' ? 'darker' : 'lighter'
      const message = `its contrast is ${ratio.toFixed(2)}:1; choose a ${better} one`
      context.addIssue({ code: 'custom', message })
    })
    .describe(
      `a colour as #rrggbb with a contrast of ${legible}:1 or more against the background of the ${scheme} pages (WCAG 2.2)`,
    )
}

/** What people see: a part of the table in config.ts. */
export const pages = {
  themeName: {
    env: 'THEME_NAME',
    group: 'Pages',
    schema: text(60),
    default: 'Keyturn',
    description: 'The name of the site on the pages.',
  },
  themeLogo: {
    env: 'THEME_LOGO_FILE',
    group: 'Pages',
    schema: logo,
    description:
      'The logo beside that name, 32 pixels high; also the icon of the browser tab. This server serves it itself.',
  },
  themeAccent: {
    env: 'THEME_ACCENT',
    group: 'Pages',
    schema: accent('light'),
    description: 'The colour of buttons and links in light mode.',
  },
  themeAccentDark: {
    env: 'THEME_ACCENT_DARK',
    group: 'Pages',
    schema: accent('dark'),
    description:
      'The same in dark mode. Without it, `THEME_ACCENT`, lightened until it is readable.',
  },
  language: {
    env: 'DEFAULT_LANGUAGE',
    group: 'Pages',
    schema: oneOf(languages),
    default: 'en',
    description:
      'The language of the pages if neither the application (`ui_locales`) nor the browser asks for a supported one.',
  },
} as const
