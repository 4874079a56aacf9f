import { inject } from 'vitest'
import { asAdministrator } from './database.ts'

/** `host:port` of Temporal's frontend. */
export const temporalAddress = (): string => inject('temporalAddress')

/** As KAFKA_BROKERS lists them; topics beside ours are made by the tests that want them. */
export const kafkaBrokers = (): string[] => [inject('kafkaBroker')]

/**
 * Claims a Temporal namespace for the calling test file alone, so that no worker of another file takes its tasks.
 *
 * @throws when a run has used them all up
 */
export async function useNamespace(): Promise<string> {
  const [row] = await asAdministrator((sql) => sql<{ number: number }[]>`select nextval('test_namespaces') as number`)
  if (row!.number > inject('namespaces')) {
    throw new Error(
      `All ${inject('namespaces')} namespaces are taken: raise their number in test/support/global-setup.ts`,
    )
  }
  return `test-${row!.number}`
}
