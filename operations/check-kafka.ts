/**
 * Kafka: whether it answers, and has our topics.
 */
import { Kafka, logLevel } from 'kafkajs'
import type { Config } from '../config.ts'
import { MEMBER_EVENTS, MEMBER_EVENTS_DEAD_LETTERS, OTP_EVENTS } from '../kafka/topics.ts'
import { wordOf, type Finding } from './finding.ts'

const part = 'kafka'
const ANSWER_WITHIN_MS = 3_000

export async function checkKafka({ brokers, ssl, sasl }: Config<'kafka'>['kafka']): Promise<Finding[]> {
  const admin = new Kafka({
    clientId: 'doctor',
    brokers,
    ssl,
    ...(sasl && { sasl: sasl as never }),
    connectionTimeout: ANSWER_WITHIN_MS,
    requestTimeout: ANSWER_WITHIN_MS,
    retry: { retries: 1, initialRetryTime: 100 },
    logLevel: logLevel.NOTHING,
  }).admin()
  try {
    await admin.connect()
    const there = new Set(await admin.listTopics())
    return [MEMBER_EVENTS, MEMBER_EVENTS_DEAD_LETTERS, OTP_EVENTS]
      .filter((topic) => !there.has(topic))
      .map(topicMissing)
  } catch (error) {
    return [
      {
        part,
        code: 'unreachable',
        what: `Kafka does not answer as it should (${wordOf(error)}).`,
        todo: 'See whether it runs, and whether KAFKA_BROKERS, KAFKA_SSL and KAFKA_SASL_… are right.',
      },
    ]
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

const topicMissing = (topic: string): Finding => ({
  part,
  code: 'topic_missing',
  what: `Kafka has no topic ${topic}, or this user may not see it.`,
  todo: `Create it, with as many partitions as it may ever need: kafka-topics.sh --create --topic ${topic} --partitions 6.`,
})
