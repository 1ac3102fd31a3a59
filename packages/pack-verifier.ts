/**
 * `npm run pack:verifier [-- <folder>]`: makes the package that is published out of its source: JavaScript and types,
 * as a .tgz in the folder (the current one by default).
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Manifest {
  private?: boolean
  exports: Record<string, string>
  [member: string]: unknown
}

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'packages/verifier')
const destination = resolve(process.argv[2] ?? '.')
const staging = mkdtempSync(join(tmpdir(), 'keyturn-pack-'))

/** In the repository the exports are the source itself, which only Node 24 runs, and nobody's dependencies. */
function published(manifest: Manifest): Omit<Manifest, 'private'> {
  const exports = Object.entries(manifest.exports).map(([name, file]) => {
    const built = file.replace('./src/', './dist/').replace(/\.ts$/, '')
    return [name, { types: `${built}.d.ts`, default: `${built}.js` }]
  })
  return {
    ...manifest,
    private: false,
    files: ['dist'],
    exports: Object.fromEntries(exports) as never,
  }
}

try {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const build = [tsc, '-p', source, '--outDir', join(staging, 'dist')]
  execFileSync(process.execPath, build, { stdio: ['ignore', 'inherit', 'inherit'] })
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Manifest
  writeFileSync(join(staging, 'package.json'), `${JSON.stringify(published(manifest), null, 2)}\n`)
  cpSync(join(source, 'README.md'), join(staging, 'README.md'))
  cpSync(join(root, 'LICENSE'), join(staging, 'LICENSE'))
  const pack = ['pack', staging, '--ignore-scripts', '--silent', '--pack-destination', destination]
  const name = execFileSync('npm', pack, { encoding: 'utf8' }).trim()
  console.log(join(destination, name))
} finally {
  rmSync(staging, { recursive: true, force: true })
}
