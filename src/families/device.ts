/** Browsers by their mark in `User-Agent`, the most specific first: nearly all of them claim to be the others, too. */
const programs: Array<[RegExp, string]> = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\//, 'Firefox'],
  [/Chrome\//, 'Chrome'],
  [/Safari\//, 'Safari'],
  [/curl\//, 'curl'],
]

const systems: Array<[RegExp, string]> = [
  [/Tizen/, 'Samsung TV'],
  [/Web0S|webOS/, 'LG TV'],
  [/AppleTV|tvOS/, 'Apple TV'],
  [/Roku/, 'Roku'],
  [/CrKey|Android TV|GoogleTV/, 'Google TV'],
  [/\bAFT\w+/, 'Fire TV'],
  [/PlayStation/, 'PlayStation'],
  [/Xbox/, 'Xbox'],
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
]

export interface DeviceWords {
  unknown: string
  on: (program: string, system: string) => string
}

const english: DeviceWords = {
  unknown: 'unknown device',
  on: (program, system) => `${program} on ${system}`,
}

/** A device name for its owner to recognise, from `User-Agent`. Only a hint: the client chooses that header. */
export function deviceLabel(userAgent: string | undefined, words: DeviceWords = english): string {
  const known = knownDevice(userAgent, words)
  return known ?? (userAgent?.split(/[\s/]/, 1)[0]?.slice(0, 40) || words.unknown)
}

/** Like `deviceLabel`, but in our own words alone; undefined for an unknown program. */
export function knownDevice(
  userAgent: string | undefined,
  words: DeviceWords = english,
): string | undefined {
  const nameIn = (table: Array<[RegExp, string]>) =>
    table.find(([mark]) => mark.test(userAgent ?? ''))?.[1]
  const program = nameIn(programs)
  const system = nameIn(systems)
  return program && system ? words.on(program, system) : (program ?? system)
}
