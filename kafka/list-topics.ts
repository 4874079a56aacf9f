import { Kafka, logLevel } from 'kafkajs'
import type { Config } from '../config.ts'

const ANSWER_WITHIN_MS = 2_000

/**
 * The topics that this user sees. Asked over a connection of its own, in one try, so that the answer tells how the broker is now.
 *
 * @throws where no broker answers within some seconds
 */
export async function listTopics(
  { brokers, ssl, sasl }: Config<'kafka'>['kafka'],
  clientId: string,
): Promise<ReadonlySet<string>> {
  const admin = new Kafka({
    clientId,
    brokers,
    ssl,
    ...(sasl && { sasl: sasl as never }),
    connectionTimeout: ANSWER_WITHIN_MS,
    requestTimeout: ANSWER_WITHIN_MS,
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  }).admin()
  try {
    await admin.connect()
    return new Set(await admin.listTopics())
  } finally {
    await admin.disconnect().catch(() => {})
  }
}
