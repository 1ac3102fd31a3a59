import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { routes as adminRoutes } from './admin/routes.ts'
import type { Core } from './core.ts'
import { createCounters } from './counters.ts'
import { domainErrors } from './errors.ts'
import { createAdmission, type Target } from './http/admission.ts'
import { watchConnections } from './http/connections.ts'
import { certificateOf, createEdge, pathOf } from './http/edge.ts'
import { securityHeadersOf } from './http/headers.ts'
import { listen } from './http/listener.ts'
import { createRequestWatch } from './http/observed.ts'
import { createRefusal } from './http/overloaded.ts'
import { logRequest } from './http/request.ts'
import { createRouteNames, unmatched } from './http/route-names.ts'
import { withoutQuery } from './http/spelling.ts'
import { openTlsFiles } from './http/tls-files.ts'
import { traceRequest } from './http/traced.ts'
import { addresses } from './issuer.ts'
import { createIssuers } from './issuers.ts'
import { beginnings } from './oidc/routes.ts'
import { adminPath } from './resources/admin-resource.ts'
import { startRounds } from './rounds.ts'
import { safePrepublish } from './signing/schedule.ts'
import { type Tally, tellTallies } from './tallies.ts'
import { defaultTenant } from './tenants/tenant.ts'
import { startTracing } from './tracing/open.ts'
import { roundsOf } from './upkeep.ts'

export interface Server {
  /** The URL that it listens on. */
  url: string
  /** Checks now whether files that may be renewed (TLS, countries) have changed. */
  look(): Promise<void>
  /** Finishes what is in flight and stops; storage stays open. */
  stop(): Promise<void>
}

/**
 * Starts to answer requests over open capabilities.
 * @param isWorker whether a supervisor serves the metrics
 * @param schedules whether this process runs the rounds marked `once`: among the workers of a node, one does
 */
export async function startServer(
  core: Core,
  { isWorker = false, schedules = true } = {},
): Promise<Server> {
  const { config, log } = core
  const files = await openTlsFiles(config, log)
  const { misspelt: variables } = config
  if (variables.length > 0) log.warn({ variables }, 'unknown settings: are they misspelt?')
  if (config.keyPrepublish < safePrepublish(config)) {
    log.warn(
      { expected: `at least ${safePrepublish(config)}`, key_prepublish: config.keyPrepublish },
      'KEY_PREPUBLISH is too short: a verifier may receive tokens of a new key before it may fetch that key',
    )
  }
  if (config.hashConcurrency >= config.threadPoolSize) {
    log.warn(
      {
        expected: `more than ${config.hashConcurrency}`,
        uv_threadpool_size: config.threadPoolSize,
      },
      'UV_THREADPOOL_SIZE is not larger than HASH_CONCURRENCY: signing, file access and name resolution wait for password hashes',
    )
  }
  core.clockWatch.look()
  await core.denials.start()
  core.revocationStreams.start()
  await core.changes.start()
  core.signing.start()
  await core.servedTime
    .note()
    .catch((error: Error) =>
      log.warn(
        { err: error },
        'could not store the time until which this server was running; it is tried again',
      ),
    )
  await core.keyRotation.check()
  const issuers = createIssuers(core, {
    of: ({ req }) => certificateOf(req),
    authorities: files.authorities,
  })
  const edge = createEdge(config, log)
  const admission = createAdmission({
    most: config.maxRequests,
    longestBody: config.bodyLimit,
    beginnings,
  })
  const headers = securityHeadersOf({ isHttps: config.issuer.startsWith('https:') })
  const routeOf = routeNames()
  const watch = core.metrics.isOn ? createRequestWatch(core.metrics, routeOf) : undefined
  const writeRefusal = createRefusal(headers)
  let stopping = false

  /** Answers in place of an issuer. */
  function answer(response: ServerResponse, status: number, body: Record<string, string>): void {
    const retry = status === 503 ? { 'Retry-After': '2' } : {}
    const close = stopping ? { Connection: 'close' } : {}
    const type = { 'Content-Type': 'application/json' }
    // Set separately: tracing cannot read headers that are given to writeHead().
    if (body['error_id'] !== undefined) response.setHeader('Request-Id', body['error_id'])
    response.writeHead(status, { ...headers, ...retry, ...close, ...type })
    response.end(JSON.stringify(body))
  }

  function refuse(response: ServerResponse): void {
    core.counters.count('request_shed')
    const id = randomUUID()
    log.debug({ request_id: id, error: 'overloaded' }, 'request refused')
    writeRefusal(response, id, stopping)
  }

  /** Writes the log line of a request that no issuer logs. */
  function tell(request: IncomingMessage, id: string, status: number, began: number): void {
    const { method = '', url = '', headers: sent } = request
    const ip = String(sent['x-forwarded-for'])
    logRequest(log, { id, method, path: withoutQuery(url), status, ip, began })
  }

  /** Answers 404 for a path below no issuer, or of a tenant that does not exist or is disabled. */
  function answerForNobody(
    request: IncomingMessage,
    response: ServerResponse,
    { tenant, url }: Target,
    began: number,
  ): void {
    const [status, error, sentence] = domainErrors.not_found
    const { method, headers: sent } = request
    const id = randomUUID()
    const reason =
      tenant === undefined
        ? `the address is not below ${config.issuer}`
        : `there is no tenant ${tenant}, or it is disabled`
    const ip = String(sent['x-forwarded-for'])
    const endpoint = tenant === undefined ? unmatched : endpointOf(routeOf(url))
    const check = tenant === undefined ? 'not_found' : 'tenant_known'
    log.info({ request_id: id, check, error, reason, method, endpoint, ip }, 'request refused')
    core.refusals.note({ id, tenant: defaultTenant, endpoint, check, error, reason, ip })
    answer(response, status, { error, error_description: sentence, error_id: id })
    tell(request, id, status, began)
  }

  function work(request: IncomingMessage, response: ServerResponse, target: Target): void {
    if (stopping) response.setHeader('Connection', 'close')
    if (stopping && target.url === '/readyz') {
      answer(response, 503, { status: 'not ready', reason: 'stopping' })
      return
    }
    const known = issuers.known(target)
    if (known) {
      known(request, response)
      return
    }
    const began = performance.now()
    issuers.find(target).then(
      (handle) => {
        if (handle) handle(request, response)
        else answerForNobody(request, response, target, began)
      },
      (error: Error) => {
        const id = randomUUID()
        log.error({ request_id: id, err: error }, 'could not load the issuer of a request')
        const [status, code, sentence] = domainErrors.storage_unavailable
        answer(response, status, { error: code, error_description: sentence, error_id: id })
        tell(request, id, status, began)
      },
    )
  }

  const connections = watchConnections(core.metrics)
  const listener = await listen(config, files, connections, (request, response, mutual) => {
    const target = issuers.target(pathOf(request.url ?? '/'))
    if (admission.refuses(request, target)) {
      watch?.refused(request, target.url)
      refuse(response)
      return
    }
    const began = performance.now()
    edge.enter(request, mutual)
    // From here on, `url` is the path below the issuer.
    request.url = target.url
    watch?.follow(request, response)
    admission.take({
      request,
      response,
      target,
      work: () => traceRequest(request, response, routeOf, () => work(request, response, target)),
      refuse: () => refuse(response),
      // The client is gone and gets no answer; the request is only logged.
      gone: () => tell(request, randomUUID(), 400, began),
    })
  })

  const metrics = isWorker
    ? undefined
    : await ownMetrics(core).catch(async (error: Error) => {
        await listener.stop()
        throw error
      })

  const shed: Tally = {
    level: 'warn',
    message: 'requests were refused for overload: this process was already handling too many',
    read: () => ({ refused: core.counters.read().request_shed }),
  }
  const endTallies = tellTallies([shed, core.refusals.tally, ...connections.tallies], log)

  // Compares with zero, so that counts from start-up are logged as well.
  let told = JSON.stringify(createCounters().read())
  /** Logs the counters if they have changed since the last call, for operators without metrics. */
  async function tellCounts(): Promise<void> {
    const counts = core.counters.read()
    if (told === JSON.stringify(counts)) return
    told = JSON.stringify(counts)
    log.info({ counts }, 'event counts since startup')
  }

  const stopTracing = await startTracing(config, log, core.metrics)
  // Background work starts only now: a process that cannot listen ends at once, with nothing under way.
  core.outbox.start()
  const rounds = roundsOf(core, { checkFiles: files.check, tellCounts })
  const endRounds = startRounds(
    rounds.filter(({ once }) => schedules || !once),
    core,
  )
  return {
    url: `http${files.certificate ? 's' : ''}://${config.host.includes(':') ? `[${config.host}]` : config.host}:${config.port}`,
    async look() {
      await files.check()
      await core.countries.check()
    },
    async stop() {
      stopping = true
      endRounds()
      core.revocationStreams.stop()
      await listener.stop()
      endTallies()
      await metrics?.stop()
      await core.outbox.stop()
      await stopTracing()
      await core.refusals.flush()
      await tellCounts()
      await core.audit
        .sealEvents(true)
        .catch((error: Error) =>
          log.warn({ err: error }, 'could not seal the last audit events; they are sealed later'),
        )
    },
  }
}

async function ownMetrics({ config, log, readMetrics }: Core) {
  const { metricsPort: port, metricsHost: host } = config
  if (port === undefined || !readMetrics) return undefined
  const { serveOwnMetrics } = await import('./metrics/serve.ts')
  return serveOwnMetrics({ port, host, log }, readMetrics)
}

/** The name of an endpoint in refusals. @param route its template */
function endpointOf(route: string): string {
  return route === unmatched ? route : route.split('/')[1] || 'root'
}

/** Maps an address to its route template. */
function routeNames(): (url: string) => string {
  const admin = adminRoutes.map(({ path }) => adminPath + path.replaceAll(/\{(\w+)\}/g, ':$1'))
  return createRouteNames([...addresses(), `${adminPath}/`, ...admin])
}
