import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { parse, parseAllDocuments } from 'yaml'
import { settings } from '../../config/config.ts'
import { temporaryFolder } from '../support/child.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const dockerfile = read('Dockerfile')

/** The arguments of all instructions of this kind in the Dockerfile, in order. */
const instructions = (word: string) =>
  [...dockerfile.matchAll(new RegExp(`^${word} (.+)$`, 'gm'))].map(([, rest = '']) => rest)

/** The paths copied from the project, and their targets. */
const copies = instructions('COPY')
  .filter((rest) => !rest.startsWith('--from'))
  .map((rest) => rest.split(' '))
  .map((paths) => ({ sources: paths.slice(0, -1), target: paths.at(-1) ?? '' }))

/** Checks that a variable is a setting, or names the file of a secret one, and that its value is valid. */
function expectSetting(name: string, value?: string): void {
  const ofFile = /^(.+)_FILE$/.exec(name)?.[1]
  const all = Object.values(settings)
  const setting = all.find(({ env }) => env === name)
  if (setting) {
    if (value) expect(setting.schema.safeParse(value).success, `${name}=${value}`).to.equal(true)
    return
  }
  expect(
    all.filter(({ secret }) => secret).map(({ env }) => env),
    name,
  ).to.include(ofFile)
}

interface Container {
  image: string
  args: string[]
  env?: { name: string; valueFrom: { secretKeyRef: { name: string; key: string } } }[]
  envFrom: { configMapRef: { name: string } }[]
  securityContext: Record<string, unknown>
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string } } | undefined
  ports?: { name: string; containerPort: number }[]
}

describe('Dockerfile', () => {
  it('copies existing files, and .dockerignore allows exactly those', () => {
    const allowed = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, path]) => path)
    const sources = copies.flatMap((copy) => copy.sources)
    for (const source of sources) expect(existsSync(join(root, source)), source).to.equal(true)
    expect(new Set(sources)).to.deep.equal(new Set(allowed))
    expect(read('.dockerignore')).to.match(/^\*$/m)
  })

  it('runs only with what it copies and production dependencies', async () => {
    const folder = await temporaryFolder('image')
    for (const { sources, target } of copies) {
      for (const source of sources) {
        const to = target.endsWith('/') ? join(target, source) : target
        mkdirSync(join(folder, dirname(to)), { recursive: true })
        cpSync(join(root, source), join(folder, to), { recursive: true })
      }
    }
    const manifest = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { dev?: boolean }>
    }
    const installed = Object.keys(packages).filter(
      (path) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && !packages[path]?.dev,
    )
    expect(installed).to.include.members(
      Object.keys(manifest.dependencies).map((name) => `node_modules/${name}`),
    )
    for (const path of installed.filter((each) => existsSync(join(root, each)))) {
      mkdirSync(join(folder, dirname(path)), { recursive: true })
      symlinkSync(join(root, path), join(folder, path))
    }
    const [entry = '', program = ''] = JSON.parse(instructions('ENTRYPOINT')[0] ?? '') as string[]
    expect(entry).to.equal('node')
    const run = (...args: string[]) =>
      execFileSync(process.execPath, [join(folder, program), ...args], {
        cwd: folder,
        env: { DATA_DIR: join(folder, 'data'), KEYS_DIR: join(folder, 'keys') },
        encoding: 'utf8',
      })
    expect(run('--version').trim()).to.match(/^\d+\.\d+\.\d+$/)
    const ready = 'keyturn-account'
    run('accounts', 'create', '--email', `${ready}@example.com`)
    expect(run('accounts', 'list')).to.include(ready)
  })

  it('uses the Node version of the tests, without root and without a shell at startup', () => {
    const { devDependencies } = JSON.parse(read('package.json')) as {
      devDependencies: { node: string }
    }
    const major = devDependencies.node.split('.')[0]
    const stages: string[] = []
    for (const stage of instructions('FROM')) {
      const [base = '', , name = ''] = stage.split(' ')
      expect([`node:${major}-slim`, ...stages]).to.include(base)
      stages.push(name)
    }
    const [last = ''] = dockerfile.split(/^FROM /m).slice(-1)
    expect([...last.matchAll(/^USER (.+)$/gm)].map(([, user]) => user)).to.deep.equal(['1000:1000'])
    for (const word of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK.* CMD']) {
      for (const command of instructions(word)) expect(() => JSON.parse(command)).not.to.throw()
    }
    const check = JSON.parse(instructions('HEALTHCHECK.* CMD')[0] ?? '') as string[]
    expect(copies.map(({ target }) => join(target))).to.include(join(check[1] ?? ''))
    expect(dockerfile).to.include('npm ci --omit=dev')
  })

  it('keeps compiled modules where the program looks for them', () => {
    const [, folder = ''] = /'\.\.\/(node_modules\/[^']+)'/.exec(read('src/main.ts')) ?? []
    expect(folder).to.equal('node_modules/.cache/keyturn')
    expect(dockerfile).to.include(`RUN install -d -o 1000 -g 1000 ${folder}\n`)
    expect(instructions('COPY')).to.include(
      '--from=compiled /app/node_modules/.cache ./node_modules/.cache',
    )
  })

  it('sets only existing settings', () => {
    const pairs = instructions('ENV').flatMap((line) => line.split(' '))
    for (const pair of pairs.filter((each) => !each.startsWith('NODE_ENV='))) {
      const [name = '', value] = pair.split('=')
      expectSetting(name, value)
    }
    expect(instructions('EXPOSE')).to.deep.equal([settings.port.default])
  })
})

describe('deploy/compose.yaml', () => {
  const compose = parse(read('deploy/compose.yaml'), { merge: true }) as {
    services: Record<
      string,
      {
        environment: Record<string, string>
        secrets?: string[]
        command?: string[]
        depends_on?: Record<string, unknown>
      }
    >
    secrets: Record<string, { file: string }>
  }
  const ours = ['migrate', 'keyturn']

  it('sets only existing settings, with valid values', () => {
    for (const name of ours) {
      for (const [variable, given] of Object.entries(compose.services[name]?.environment ?? {})) {
        const value = /^\$\{\w+:-(.*)\}$/.exec(given)?.[1] ?? given
        expectSetting(variable, value)
      }
    }
  })

  it('mounts each secret that it names, and deploy/secrets.sh creates each', async () => {
    const folder = await temporaryFolder('deploy')
    cpSync(join(root, 'deploy/secrets.sh'), join(folder, 'secrets.sh'))
    const make = () => execFileSync('sh', [join(folder, 'secrets.sh')])
    make()
    const kept = new Map<string, string>()
    for (const { file } of Object.values(compose.secrets)) {
      kept.set(file, readFileSync(join(folder, file), 'utf8'))
    }
    make()
    for (const [file, content] of kept) {
      expect(readFileSync(join(folder, file), 'utf8'), `${file} is kept`).to.equal(content)
    }
    for (const [name, { secrets = [], environment = {}, command = [] }] of Object.entries(
      compose.services,
    )) {
      const named = [...Object.values(environment), ...command]
        .map((value) => /^\/run\/secrets\/(.+)$/.exec(value)?.[1])
        .filter((secret) => secret !== undefined)
      expect(secrets, name).to.have.members(named)
      for (const secret of named) expect(compose.secrets).to.have.property(secret)
    }
    for (const [variable, value] of Object.entries(
      compose.services['keyturn']?.environment ?? {},
    )) {
      const secret = /^\/run\/secrets\/(.+)$/.exec(value)?.[1]
      const content = kept.get(`secrets/${secret}`)?.trim()
      if (secret) expectSetting(variable.replace(/_FILE$/, ''), content)
    }
  })

  it('depends on existing services, and runs existing commands', () => {
    for (const name of ours) {
      const { depends_on: needs = {}, command } = compose.services[name] ?? {}
      for (const service of Object.keys(needs)) expect(compose.services).to.have.property(service)
      expect(command).to.deep.equal([name === 'keyturn' ? 'serve' : name])
    }
  })
})

describe('metrics in deployments', () => {
  it('use the same port everywhere, which the service does not expose', () => {
    const { services } = parse(read('deploy/compose.yaml'), { merge: true }) as {
      services: { keyturn: { environment: Record<string, string>; ports: string[] } }
    }
    const port = services.keyturn.environment['METRICS_PORT']
    expect(services.keyturn.ports).to.deep.equal([
      '127.0.0.1:3000:3000',
      `127.0.0.1:${port}:${port}`,
    ])
    const objects = parseAllDocuments(read('deploy/kubernetes/server.yaml')).map(
      (document) => document.toJS() as { kind: string; spec: Record<string, unknown> },
    )
    const of = (kind: string) => objects.find((object) => object.kind === kind)?.spec
    expect(read('deploy/kubernetes/settings.yaml')).to.include(`METRICS_PORT: '${port}'`)
    expect(read('deploy/kubernetes/server.yaml')).to.include(`prometheus.io/port: '${port}'`)
    expect(of('Service')?.['ports']).to.deep.equal([{ name: 'http', port: 80, targetPort: 'http' }])
    const [open, closed] = (of('NetworkPolicy')?.['ingress'] ?? []) as { from?: object[] }[]
    expect(open).to.deep.equal({ ports: [{ port: 'http' }] })
    expect(closed).to.deep.include({ ports: [{ port: 'metrics' }] })
    expect(closed?.from).to.have.length(1)
  })
})

describe('deploy/kubernetes', () => {
  const objects = globSync('deploy/kubernetes/*.yaml', { cwd: root }).flatMap((path) =>
    parseAllDocuments(read(path)).map((document) => document.toJS() as Record<string, never>),
  )
  const of = (kind: string) => objects.find((object) => object['kind'] === kind) as never
  const config: { metadata: { name: string }; data: Record<string, string> } = of('ConfigMap')
  const workload = (kind: string) =>
    (of(kind) as { spec: { template: { metadata: { labels: object }; spec: never } } }).spec
      .template

  for (const kind of ['Deployment', 'Job']) {
    const { spec } = workload(kind) as {
      spec: { containers: Container[]; securityContext: object }
    }
    const [container] = spec.containers as [Container]

    it(`${kind} has only existing settings, and secrets from the guide`, () => {
      for (const [name, value] of Object.entries(config.data)) expectSetting(name, value)
      expect(container.envFrom[0]?.configMapRef.name).to.equal(config.metadata.name)
      for (const { name, valueFrom } of container.env ?? []) {
        expectSetting(name)
        expect(read('docs/deployment.md')).to.include(
          `--from-literal=${valueFrom.secretKeyRef.key}=`,
        )
      }
      expect(['serve', 'migrate']).to.include(container.args[0])
    })

    it(`${kind} has only the privileges that it needs (C20)`, () => {
      expect(spec.securityContext).to.deep.include({ runAsNonRoot: true, runAsUser: 1000 })
      expect(container.securityContext).to.deep.equal({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      expect(spec).to.include({ automountServiceAccountToken: false })
    })
  }

  it('probes the right endpoints, and selects its own pods but not those of the migration job', () => {
    const { metadata, spec } = workload('Deployment') as {
      metadata: { labels: object }
      spec: { containers: Container[] }
    }
    const [container] = spec.containers as [Container]
    const paths = (['startup', 'readiness', 'liveness'] as const).map(
      (kind) => container[`${kind}Probe`]?.httpGet,
    )
    expect(paths).to.deep.equal(
      ['/healthz', '/readyz', '/healthz'].map((path) => ({ path, port: 'http' })),
    )
    expect(container.ports).to.deep.equal([
      { name: 'http', containerPort: 3000 },
      { name: 'metrics', containerPort: Number(config.data['METRICS_PORT']) },
    ])
    const budget: { spec: { selector: { matchLabels: object } } } = of('PodDisruptionBudget')
    const service: { spec: { selector: object } } = of('Service')
    const deployment: { spec: { selector: { matchLabels: object } } } = of('Deployment')
    const policy: { spec: { podSelector: { matchLabels: object } } } = of('NetworkPolicy')
    for (const selector of [
      policy.spec.podSelector.matchLabels,
      budget.spec.selector.matchLabels,
      service.spec.selector,
      deployment.spec.selector.matchLabels,
    ]) {
      expect(selector).to.deep.equal(metadata.labels)
      expect(selector).not.to.deep.equal(workload('Job').metadata.labels)
    }
  })
})
