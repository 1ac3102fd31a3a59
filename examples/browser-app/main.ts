import { createApp } from './app.ts'
import { readSettings } from './settings.ts'

const settings = readSettings(process.env)
const server = createApp(settings).listen(settings.port, '127.0.0.1', () => {
  console.log(`browser-app: listens at ${settings.baseUrl.href}`)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void server.close())
}
