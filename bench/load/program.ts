import { runPlan } from './loops.ts'
import type { Plan } from './plan.ts'

/** The load generator, in its own process: runs the plans that arrive over its channel and sends back the outcomes. */
process.on('message', (plan: Plan) => {
  runPlan(plan).then(
    (outcome) => process.send?.({ outcome }),
    (error: Error) => process.send?.({ error: error.stack }),
  )
})
process.on('disconnect', () => process.exit())
