import { lightened, mixed } from '../../config/colour.ts'
import type { Config } from '../../config/config.ts'
import { type Asset, assetOf } from '../http/assets.ts'
import type { Theme } from './pages/layout.ts'

type ThemeSettings = Pick<Config, 'themeName' | 'themeLogo' | 'themeAccent' | 'themeAccentDark'>

/** The theme of the pages from the settings, with its files. */
export function createTheme(
  config: ThemeSettings,
  basePath: string,
): { theme: Theme; assets: ReadonlyMap<string, Asset> } {
  const { themeName: name, themeLogo: logo } = config
  const sheet = accentSheet(config)
  const assets = new Map<string, Asset>([
    ...(logo ? [['logo', assetOf(logo.type, logo.body)] as const] : []),
    ...(sheet
      ? [['theme.css', assetOf('text/css; charset=utf-8', Buffer.from(sheet))] as const]
      : []),
  ])
  const url = (file: string) =>
    `${basePath}/assets/${file}?v=${assets.get(file)?.etag.slice(1, -1)}`
  return {
    theme: {
      name,
      ...(logo ? { logoUrl: url('logo') } : {}),
      ...(sheet ? { stylesheetUrl: url('theme.css') } : {}),
    },
    assets,
  }
}

/**
 * The style sheet of the accent colour. Text on buttons has the colour of the page background: an accent that is
 * readable on that background also contrasts with it.
 */
function accentSheet({ themeAccent: light, themeAccentDark }: ThemeSettings): string | undefined {
  const dark = themeAccentDark ?? (light && lightened(light))
  if (dark === undefined) return undefined
  const inLight = light && rule(light, mixed(light, '#000000', 0.2), '#ffffff')
  const inDark = rule(dark, mixed(dark, '#ffffff', 0.25), '#0d1312')
  return `${inLight ?? ''}@media (prefers-color-scheme: dark) {\n${inDark}}\n`
}

function rule(accent: string, deep: string, onAccent: string): string {
  return `:root {
  --kt-accent: ${accent};
  --kt-accent-deep: ${deep};
  --kt-on-accent: ${onAccent};
}
`
}
