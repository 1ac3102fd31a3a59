/** The name of a country in a language. @param code ISO 3166-1, two letters */
export function countryName(language: string, code: string): string {
  return new Intl.DisplayNames(language, { type: 'region' }).of(code) ?? code
}
