/** Loaded into every program of the demo, ahead of it: whatever becomes of the demo, the program stops with it. */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()
