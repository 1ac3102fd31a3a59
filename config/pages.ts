import { oneOf, text } from './values.ts'

/** The languages that the pages speak. */
export const languages = ['en', 'de'] as const

/** What people see: a part of the table in config.ts. */
export const pages = {
  themeName: {
    env: 'THEME_NAME',
    group: 'Pages',
    schema: text(60),
    default: 'Keyturn',
    description: 'The name that people see on the pages.',
  },
  language: {
    env: 'DEFAULT_LANGUAGE',
    group: 'Pages',
    schema: oneOf(languages),
    default: 'en',
    description:
      "The language of the pages when neither the application (`ui_locales`) nor the person's browser asks for one that there is.",
  },
} as const
