import { Kafka, logLevel } from 'kafkajs'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'

export interface KafkaOptions {
  /** How this process shows in the broker's log and quotas. */
  readonly clientId: string
  readonly log: Logger
}

/** What kafkajs may say beside its message: where it happened, and nothing that a record held. */
const LOGGED = ['broker', 'topic', 'partition', 'groupId', 'retryCount', 'retryTime'] as const

/**
 * A Kafka client; connects when a consumer or producer of it does. Lost connections come back by themselves: within
 * a second of the broker's return, since nothing here waits longer between two tries.
 */
export const connectKafka = (config: Config<'kafka'>['kafka'], { clientId, log }: KafkaOptions): Kafka =>
  new Kafka({
    clientId,
    brokers: config.brokers,
    ssl: config.ssl,
    ...(config.sasl && { sasl: config.sasl as never }),
    connectionTimeout: 3_000,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 30 },
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => {
      const fields = Object.fromEntries(LOGGED.map((name) => [name, entry.log[name] as unknown]))
      const brokerError = entry.log['error'] as unknown
      log[toPinoLevel(entry.level)]({ kafkajs: entry.namespace, ...fields, brokerError }, entry.log.message)
    },
  })

// Its "info" is chatter about connections and joins, its "error" what it will try again.
function toPinoLevel(level: logLevel) {
  if (level === logLevel.ERROR) return 'warn'
  return level === logLevel.WARN ? 'info' : 'debug'
}
