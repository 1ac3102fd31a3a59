import { createServer } from 'node:http'
import { loadConfig } from '../../config/load.ts'
import { openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { bareEngine } from '../../test/support/bare-engine.ts'

/** A program: the engine alone, on `PORT`, with the configuration and the keys of the product. */
const config = loadConfig()
const core = await openCore(config, createLog({ level: 'silent' }), { schema: 'require' })
const handle = (await bareEngine(core, defaultTenant)).callback()
createServer((request, response) => void handle(request, response)).listen(config.port, '127.0.0.1')
