import { defineConfig } from 'oxlint'

/**
 * Who may import whom (architecture: the tree). A folder may use those that stand left of it, never those to its right;
 * each library has one home. Overrides replace each other, so every row states all that it forbids.
 */
const layers: string[][] = [
  ['metrics', 'tracing'],
  ['storage', 'secrets', 'outgoing'],
  ['http'],
  [
    'audit',
    'tenants',
    'attempts',
    'places',
    'limits',
    'lockouts',
    'single-use',
    'denials',
    'signing',
    'outbox',
    'idempotency',
    'refusals',
  ],
  ['roles', 'accounts', 'clients', 'resources'],
  ['grants', 'logouts', 'backchannel', 'actions', 'mail', 'webhooks', 'feed'],
  ['families', 'factors'],
  ['sessions'],
  ['revocation', 'recovery', 'enrolment', 'signals'],
  ['registration'],
  ['oidc'],
  ['interaction', 'account', 'admin', 'endpoints', 'direct'],
  ['cli'],
]

/** Library → the places that may import it; type imports of Koa are the middleware's signature everywhere. */
const homes: Record<string, string[]> = {
  'oidc-provider': ['oidc'],
  typeorm: ['storage', 'migrations'],
  pg: ['storage'],
  '@electric-sql/pglite': ['storage'],
  ioredis: ['storage'],
  '@node-rs/argon2': ['accounts'],
  bcrypt: ['accounts'],
  nodemailer: ['mail'],
  jose: ['signing', 'oidc'],
  pkcs11js: ['signing'],
  uqr: ['factors'],
  'mmdb-lib': ['places'],
  '@simplewebauthn/server': ['factors'],
  pino: ['log'],
  'prom-client': ['metrics'],
  '@opentelemetry/api': ['tracing'],
  '@opentelemetry/core': ['tracing'],
  '@opentelemetry/otlp-exporter-base': ['tracing'],
  '@opentelemetry/otlp-transformer': ['tracing'],
  '@opentelemetry/resources': ['tracing'],
  '@opentelemetry/sdk-trace': ['tracing'],
  commander: ['cli'],
  yaml: ['cli'],
  '@koa/router': ['interaction', 'account', 'endpoints'],
}

function importsOf(folder: string, forbidden: string[]) {
  const foreign = Object.keys(homes).filter((library) => !homes[library]?.includes(folder))
  return [
    'error' as const,
    {
      patterns: [
        ...(forbidden.length > 0
          ? [
              {
                group: forbidden.flatMap((other) => [`../${other}/**`, `../../${other}/**`]),
                message: `${folder}/ must not know this folder.`,
              },
            ]
          : []),
        {
          group: foreign.flatMap((library) => [library, `${library}/**`]),
          message: `${folder}/ is not the home of this library.`,
        },
        {
          group: ['oidc-provider/**'],
          message: 'The inside of the engine may change at any time.',
        },
      ],
    },
  ]
}

/** Both a capability that knows HTTP and one that knows the composition root would turn the arrows round. */
const roots = ['core.ts', 'server.ts', 'issuer.ts', 'issuers.ts', 'main.ts']

const folders = layers.flatMap((layer, rank) =>
  layer.map((folder) => {
    const above = layers.slice(rank + 1).flat()
    // A capability does not know HTTP either; its routes would.
    const capability = rank > 2 && rank < 10
    return {
      files: [`src/${folder}/**`],
      rules: {
        'no-restricted-imports': importsOf(folder, [
          ...above,
          ...(capability || folder === 'oidc' ? ['http'] : []),
        ]),
      },
    }
  }),
)

export default defineConfig({
  plugins: ['typescript', 'import', 'promise', 'node', 'unicorn', 'oxc'],
  categories: { correctness: 'error', suspicious: 'error' },
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: 'error' },
  ignorePatterns: ['coverage', 'data'],
  rules: {
    'max-lines': ['error', { max: 400 }],
    'no-restricted-imports': importsOf('src', []),
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'node/no-process-env': 'error',
    // Whatever leaves the server goes through src/outgoing.
    'no-restricted-globals': ['error', 'fetch'],
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/await-thenable': 'error',
    // Functions close over their state here and never use `this`.
    'typescript/unbound-method': 'off',
    // Rows, parsed JSON and the engine's payloads come without types; what they are is said once, where they enter.
    'typescript/no-unsafe-type-assertion': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'import/no-named-as-default': 'off',
    'import/no-named-as-default-member': 'off',
    'typescript/no-misused-spread': 'off',
    // TypeScript's noImplicitReturns finds what matters of this.
    'typescript/consistent-return': 'off',
    // A promise's error that is mapped where it arises reads better than a try block around one line.
    'promise/always-return': 'off',
    'promise/catch-or-return': 'off',
  },
  overrides: [
    ...folders,
    {
      files: ['config/**'],
      rules: {
        'node/no-process-env': 'off',
        'no-restricted-imports': importsOf('config', [...layers.flat(), ...roots]),
      },
    },
    { files: ['src/log.ts'], rules: { 'no-restricted-imports': importsOf('log', []) } },
    { files: ['migrations/**'], rules: { 'no-restricted-imports': importsOf('migrations', []) } },
    {
      // Other people's programs: they know this server by its addresses alone, and read settings of their own.
      files: ['examples/**'],
      rules: {
        'no-restricted-imports': [
          'error',
          {
            patterns: [
              {
                group: ['**/src/**', '**/config/**', '**/test/**', 'oidc-provider'],
                message: 'An example is a program of its own.',
              },
            ],
          },
        ],
        'node/no-process-env': 'off',
        'no-restricted-globals': 'off',
      },
    },
    {
      // Published on its own, for every runtime that has the web's standards.
      files: ['packages/*/src/**'],
      rules: {
        'no-restricted-imports': [
          'error',
          {
            patterns: [
              {
                group: ['*', '!jose', '!./**', '!../**'],
                message: 'The kit depends on jose alone, and on no runtime.',
              },
              {
                group: ['**/../../**/src/**', '**/config/**', '**/test/**'],
                message: 'The kit is a program of its own.',
              },
            ],
          },
        ],
        'no-restricted-globals': ['error', 'process', 'Buffer', 'setImmediate', '__dirname'],
      },
    },
    {
      files: ['packages/*.ts', 'test/**', 'bench/**', '*.config.ts'],
      rules: {
        'no-restricted-imports': 'off',
        'node/no-process-env': 'off',
        'no-restricted-globals': 'off',
        'import/no-default-export': 'off',
        'import/no-unassigned-import': 'off',
        // Chai's assertions are expressions, and tables in tests read best as they are.
        'no-unused-expressions': 'off',
        'no-control-regex': 'off',
        'no-unmodified-loop-condition': 'off',
        'typescript/await-thenable': 'off',
        'typescript/no-misused-promises': 'off',
        // Express 5 waits for its handlers.
        'oxc/no-async-endpoint-handlers': 'off',
        'unicorn/no-useless-spread': 'off',
      },
    },
  ],
})
