import { createApp } from './app.ts'
import { readSettings } from './settings.ts'
import { apiVerifier } from './verifier.ts'

const settings = readSettings(process.env)
const verifier = apiVerifier(settings)
const server = createApp(settings, verifier).listen(settings.port, '127.0.0.1', () => {
  console.log(`api: listens at http://localhost:${settings.port}`)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    verifier.close()
    server.close()
  })
}
