import { expect } from 'chai'
import { servicesFound } from '../support/root-hooks.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { type Installation, nodeAt, startInstallation } from './installation.ts'
import { createTrials, type Trial, type Trials } from './trials.ts'

const suite = servicesFound() ? describe : describe.skip
suite('a connection that is cut after COMMIT and before the response (R-07)', function () {
  this.timeout(60_000)
  let installation: Installation
  let trials: Trials
  let scissors: TcpProxy
  let cuts = 0

  before(async () => {
    installation = await startInstallation()
    trials = createTrials(installation)
    // The first bytes of the response prove that the request was carried out; the client sees none of them.
    scissors = await startTcpProxy(Number(new URL(installation.server.issuer).port), (link) => ({
      fromClient: link.toServer,
      fromServer() {
        cuts++
        link.cut()
      },
    }))
  })
  after(async () => {
    await scissors?.stop()
    await installation?.stop()
  })

  async function loseResponse(trial: Trial): Promise<void> {
    const before = cuts
    const to = nodeAt(`http://127.0.0.1:${scissors.port}`)
    const answer = await trial.send(to).catch((error: Error) => error)
    expect(answer).to.be.instanceOf(Error)
    expect(cuts).to.equal(before + 1)
  }

  it('does not break a refresh: retries on the same node get the same answer, however often it is lost', async () => {
    const trial = await trials.refresh()
    for (let time = 0; time < 3; time++) await loseResponse(trial)
    expect(await trial.recover()).to.equal(true, 'committed')
  })

  it('leaves the code used: the retry is refused, and a silent sign-in succeeds', async () => {
    const trial = await trials.codeExchange()
    await loseResponse(trial)
    expect(await trial.recover()).to.equal(true, 'committed')
    await trials.expectNoOrphans()
  })

  it('leaves the device code used: the retry is refused, and a new code succeeds', async () => {
    const trial = await trials.deviceExchange()
    await loseResponse(trial)
    expect(await trial.recover()).to.equal(true, 'committed')
    await trials.expectNoOrphans()
  })
})
