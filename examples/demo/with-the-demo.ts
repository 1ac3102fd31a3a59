/** Loaded into every program of the demo: however the demo ends, the program stops with it. */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()
