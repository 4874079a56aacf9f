/**
 * A changed workflow is deployed while challenges are open: each ends on the build that it began with, and new ones begin on
 * the new one (docs/deploying.md).
 */
import { isGrpcServiceError } from '@temporalio/client'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { verifyCode } from '../client/verify-code.ts'
import { patience } from './support/speed.ts'
import { startByClient, startSystem, type System } from './support/system.ts'

const OPEN = 200
const AT_ONCE = 20
const DEPLOYMENT = 'challenge-worker'
const GRPC_NOT_FOUND = 5

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system?.stop())

/** As `temporal worker deployment set-current-version` does. */
const setCurrent = (buildId: string) =>
  system.until(async () => {
    const { namespace } = system
    await system.temporal.workflowService
      .setWorkerDeploymentCurrentVersion({
        namespace,
        deploymentName: DEPLOYMENT,
        buildId,
        // The changed worker does not serve the queue of notices, which is no matter here.
        ignoreMissingTaskQueues: true,
      })
      .catch(() => undefined)
    const described = await system.temporal.workflowService
      .describeWorkerDeployment({ namespace, deploymentName: DEPLOYMENT })
      // Its first worker has said that it runs, and the server has not yet made a deployment of it.
      .catch((error: unknown) => {
        if (isGrpcServiceError(error) && error.code === GRPC_NOT_FOUND) return undefined
        throw error
      })
    return described?.workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId === buildId
  })

async function inGroups<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let from = 0; from < count; from += AT_ONCE) {
    const size = Math.min(AT_ONCE, count - from)
    results.push(...(await Promise.all(Array.from({ length: size }, (_, index) => work(from + index)))))
  }
  return results
}

async function open() {
  const memberId = await system.addMember()
  const challengeId = uuidv7()
  const handle = await startByClient(system, { challengeId, memberId, purpose: 'redeem_benefit' })
  const code = await system.until(async () => (await system.codes(memberId))[0], 60_000)
  return { handle, challengeId, code }
}

async function finish({ handle, challengeId, code }: Awaited<ReturnType<typeof open>>) {
  const verified = await verifyCode(
    { ...system.judge, temporal: system.temporal },
    { challengeId, code, attemptId: challengeId },
  )
  await verified!.told
  const { outcome } = await handle.result()
  const { events } = await handle.fetchHistory()
  const builds = events!.flatMap(
    ({ workflowTaskCompletedEventAttributes: done }) => done?.deploymentVersion?.buildId ?? [],
  )
  const failedTasks = events!.filter(({ workflowTaskFailedEventAttributes: failed }) => failed).length
  return { outcome, builds: [...new Set(builds)], failedTasks }
}

it(
  `${OPEN} challenges that are open end on their build, and the next begins on the new one`,
  async () => {
    const before = await system.process('workers/challenge-worker.ts', { OTP_BUILD_ID: 'before' })
    await setCurrent('before')
    const challenges = await inGroups(OPEN, open)

    const after = await system.process('test/support/changed-worker-process.ts', { OTP_BUILD_ID: 'after' })
    await setCurrent('after')
    const next = await open()

    const ended = await inGroups(OPEN, (index) => finish(challenges[index]!))
    expect(Map.groupBy(ended, (end) => JSON.stringify(end)).size).toBe(1)
    expect(ended[0]).toEqual({ outcome: 'verified', builds: ['before'], failedTasks: 0 })
    expect(await finish(next)).toEqual({ outcome: 'verified', builds: ['after'], failedTasks: 0 })
    await Promise.all([before.kill('SIGTERM'), after.kill('SIGTERM')])
  },
  patience(240),
)
