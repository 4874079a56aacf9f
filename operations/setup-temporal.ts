/**
 * What our namespace needs before the first start (O1, U3): search attributes, and the Nexus endpoint.
 */
import { Connection } from '@temporalio/client'
import { temporalAddress, type TemporalAddress } from '../temporal/connect.ts'
import { keepNexusEndpoint } from '../temporal/nexus-endpoint.ts'
import { OTP_NEXUS_ENDPOINT } from '../nexus/service.ts'
import { CHALLENGE_TASK_QUEUE } from '../workflows/ids.ts'
import { registerSearchAttributes } from './search-attributes.ts'

export interface TemporalSetUp {
  readonly namespace: string
  /** Those that were missing. */
  readonly searchAttributes: readonly string[]
  readonly nexusEndpoint: 'created' | 'changed' | 'unchanged'
}

/**
 * Brings the namespace to what our processes need. Safe to repeat, and changes nothing that stands there already, but where
 * the endpoint of our name points.
 *
 * @throws where the cluster cannot be reached or the namespace is not known, or who asks may not
 */
export async function setUpTemporal({ connectionOptions, namespace = 'default' }: TemporalAddress = temporalAddress()) {
  const connection = await Connection.connect({ ...connectionOptions, connectTimeout: '5s' })
  try {
    const searchAttributes = await registerSearchAttributes(connection, namespace)
    const nexusEndpoint = await keepNexusEndpoint(connection, {
      name: OTP_NEXUS_ENDPOINT,
      namespace,
      taskQueue: CHALLENGE_TASK_QUEUE,
    })
    return { namespace, searchAttributes, nexusEndpoint } satisfies TemporalSetUp
  } finally {
    await connection.close()
  }
}
