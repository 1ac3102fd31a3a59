import { runPlan } from './loops.ts'
import type { Plan } from './plan.ts'

/** A program apart from all servers: makes the load that it is told to over its channel, and tells what came of it. */
process.on('message', (plan: Plan) => {
  runPlan(plan).then(
    (outcome) => process.send?.({ outcome }),
    (error: Error) => process.send?.({ error: error.stack }),
  )
})
process.on('disconnect', () => process.exit())
