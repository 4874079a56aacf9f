/**
 * The Nexus endpoint: the name by which workflows of other namespaces reach a task queue of ours.
 */
import type { Connection } from '@temporalio/client'

export interface NexusEndpoint {
  /** Of the whole cluster. */
  readonly name: string
  readonly namespace: string
  readonly taskQueue: string
}

const PAGE = 100

/**
 * Creates the endpoint, or points the one of this name at the task queue. Safe to repeat.
 *
 * @throws where the server has no Nexus, or who asks may not
 */
export async function keepNexusEndpoint(
  { operatorService }: Pick<Connection, 'operatorService'>,
  { name, namespace, taskQueue }: NexusEndpoint,
): Promise<'created' | 'changed' | 'unchanged'> {
  const spec = { name, target: { worker: { namespace, taskQueue } } }
  const { endpoints } = await operatorService.listNexusEndpoints({ name, pageSize: PAGE })
  const [standing] = endpoints
  if (!standing) {
    await operatorService.createNexusEndpoint({ spec })
    return 'created'
  }
  const target = standing.spec?.target?.worker
  if (target?.namespace === namespace && target.taskQueue === taskQueue) return 'unchanged'
  const { id, version } = standing
  await operatorService.updateNexusEndpoint({ id: id ?? null, version: version ?? null, spec })
  return 'changed'
}
