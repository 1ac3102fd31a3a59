/** Colours as `#rrggbb`, and whether one is readable on another (WCAG 2.2). */

/** The backgrounds of text in each scheme; the style sheet has the same (`src/assets/keyturn.theme.css`). */
export const grounds = {
  light: ['#ffffff', '#f3f5f4', '#f5f8f7'],
  dark: ['#151d1c', '#0d1312', '#1b2524'],
} as const

/** Minimum contrast of text (WCAG 2.2, 1.4.3). */
export const legible = 4.5

/** Contrast ratio, from 1 to 21. */
export function contrast(one: string, other: string): number {
  const [brighter = 0, darker = 0] = [luminance(one), luminance(other)].toSorted((a, b) => b - a)
  return (brighter + 0.05) / (darker + 0.05)
}

/** The lowest contrast with the backgrounds of a scheme. */
export function contrastIn(scheme: keyof typeof grounds, colour: string): number {
  return Math.min(...grounds[scheme].map((ground) => contrast(colour, ground)))
}

/** @param share of the other colour, from 0 to 1 */
export function mixed(colour: string, other: string, share: number): string {
  const others = channels(other)
  const mix = channels(colour).map((channel, i) =>
    Math.round(channel + ((others[i] ?? 0) - channel) * share)
      .toString(16)
      .padStart(2, '0'),
  )
  return `#${mix.join('')}`
}

/** The same colour, lightened as far as the dark scheme requires. */
export function lightened(colour: string): string {
  const steps = Array.from({ length: 21 }, (_, i) => mixed(colour, '#ffffff', i / 20))
  return steps.find((step) => contrastIn('dark', step) >= legible) ?? '#ffffff'
}

function channels(colour: string): number[] {
  return [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16))
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channels(colour).map((channel) => {
    const share = channel / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
