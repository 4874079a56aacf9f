/**
 * Temporal: whether it answers, has our namespace and search attributes, and whether anybody works there; and whether what
 * stands in it can be read with the codec keys.
 */
import { isGrpcServiceError, type Client } from '@temporalio/client'
import proto from '@temporalio/proto'
import type { KeyRing } from '../config.ts'
import { connectTemporal, type TemporalAddress } from '../temporal/connect.ts'
import { CAMPAIGN_TASK_QUEUE, CHALLENGE_TASK_QUEUE, CHALLENGE_WORKFLOW } from '../workflows/ids.ts'
import { wordOf, type Finding } from './finding.ts'
import { missingSearchAttributes } from './search-attributes.ts'

const { TaskQueueType } = proto.temporal.api.enums.v1
const part = 'temporal' as const
const ANSWER_WITHIN_MS = 5_000
/** What has payloads; sweeps have none, and are the most. */
const WITH_PAYLOADS = [CHALLENGE_WORKFLOW, 'smsEnrollmentCampaign', 'memberNotice']
/** Executions of each whose payloads are looked at: the newest. */
const SAMPLE = 20
const NOT_FOUND = 5
const DEADLINE_EXCEEDED = 4

/** @param codecKeys undefined where they cannot be used: what stands in Temporal is not looked at then */
export async function checkTemporal(codecKeys: KeyRing | undefined, address: TemporalAddress): Promise<Finding[]> {
  const { namespace = 'default', connectionOptions } = address
  const client = connectTemporal(codecKeys ?? { current: '', keys: new Map([['', new Uint8Array(32)]]) }, address)
  const { workflowService } = client.connection
  try {
    const found = await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, async () => {
      await workflowService.describeNamespace({ namespace })
      return [
        await attributes(),
        await pollers(CHALLENGE_TASK_QUEUE, 'challenge-worker'),
        await pollers(CAMPAIGN_TASK_QUEUE, 'campaign-worker'),
      ].flat()
    })
    return [...found, ...(codecKeys ? await keysMissing(client, namespace, codecKeys) : [])]
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === NOT_FOUND) return [wrongNamespace(namespace)]
    return [
      {
        part,
        code: 'unreachable',
        what: `Temporal does not answer as it should at ${connectionOptions.address ?? 'its default address'} (${reasonOf(error)}).`,
        todo: 'See whether it runs, and whether TEMPORAL_ADDRESS (or the profile), TLS and the API key are right.',
      },
    ]
  } finally {
    await client.connection.close()
  }

  async function attributes(): Promise<Finding[]> {
    const { missing, ofOtherType } = await missingSearchAttributes(client.connection, namespace)
    return [
      ...missing.map((name) => ({
        part,
        code: 'search_attribute_missing' as const,
        what: `The namespace ${namespace} lacks the search attribute ${name}: no challenge and no campaign can start.`,
        todo: 'Run npx otp setup temporal (on Temporal Cloud: tcld or its web page).',
      })),
      ...ofOtherType.map((name) => ({
        part,
        code: 'search_attribute_of_other_type' as const,
        what: `The search attribute ${name} of the namespace ${namespace} has another type than ours.`,
        todo: 'Use a namespace of its own for this system, or remove that attribute and run npx otp setup temporal.',
      })),
    ]
  }

  async function pollers(name: string, process: string): Promise<Finding[]> {
    const { pollers } = await workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name },
      taskQueueType: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    })
    if (pollers.length > 0) return []
    return [
      {
        part,
        code: 'no_worker',
        what: `Nobody works on the task queue ${name}.`,
        todo: `Start a worker: npm run ${process}. One that has started says "ready" in its log.`,
      },
    ]
  }
}

/** Has a deadline of its own: many payloads, or a slow visibility store, say nothing of whether Temporal can be reached. */
async function keysMissing(client: Client, namespace: string, { keys }: KeyRing): Promise<Finding[]> {
  const look = async () =>
    new Set((await Promise.all(WITH_PAYLOADS.map((type) => keyIds(client, namespace, type)))).flat())
  const used = await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, look).catch((error: unknown) => {
    if (isGrpcServiceError(error) && error.code === DEADLINE_EXCEEDED) return undefined
    throw error
  })
  if (used === undefined) return [keysNotExamined]
  return [...used]
    .filter((id) => !keys.has(id))
    .map((id) => ({
      part,
      code: 'codec_key_missing',
      what: `Workflows stand in Temporal whose payloads were encrypted with the key ${id}, which OTP_CODEC_KEYS has not.`,
      todo: `Append ${id} to OTP_CODEC_KEYS of every process, until the namespace's retention is over.`,
    }))
}

/** Of the keys with which the inputs of the newest executions of a type were encrypted. */
async function keyIds({ connection: { workflowService } }: Client, namespace: string, type: string): Promise<string[]> {
  const query = `WorkflowType = '${type}'`
  const { executions } = await workflowService.listWorkflowExecutions({ namespace, query, pageSize: SAMPLE })
  const ids = executions.map(async ({ execution }) => {
    const first = { namespace, execution: execution!, maximumPageSize: 1 }
    const { history } = await workflowService.getWorkflowExecutionHistory(first).catch((error: unknown) => {
      // Its retention was over in between.
      if (isGrpcServiceError(error) && error.code === NOT_FOUND) return { history: null }
      throw error
    })
    const payloads = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? []
    return payloads.flatMap(({ metadata }) => metadata?.['encryption-key-id'] ?? [])
  })
  return (await Promise.all(ids)).flat().map((id) => Buffer.from(id).toString('utf8'))
}

const keysNotExamined: Finding = {
  part,
  code: 'not_examined',
  what: `Whether OTP_CODEC_KEYS has every key that was used could not be seen within ${ANSWER_WITHIN_MS / 1_000} s: Temporal lists executions slowly.`,
  todo: 'Try again when there is less load; see how the visibility store fares.',
}

const wrongNamespace = (namespace: string): Finding => ({
  part,
  code: 'wrong_namespace',
  what: `Temporal has no namespace ${namespace}.`,
  todo: 'Set TEMPORAL_NAMESPACE to one that it has, or create it: temporal operator namespace create.',
})

/** gRPC's own words for its codes. */
const reasonOf = (error: unknown) =>
  isGrpcServiceError(error) ? (GRPC[error.code] ?? `gRPC ${error.code}`) : wordOf(error)
const GRPC: Readonly<Record<number, string>> = {
  4: 'no answer in time',
  7: 'permission denied',
  14: 'unavailable',
  16: 'not authenticated',
}
