/**
 * Kafka: whether it answers, and has our topics.
 */
import type { Config } from '../config.ts'
import { listTopics } from '../kafka/list-topics.ts'
import { MEMBER_EVENTS, MEMBER_EVENTS_DEAD_LETTERS, OTP_EVENTS } from '../kafka/topics.ts'
import { wordOf, type Finding } from './finding.ts'

const part = 'kafka'

export async function checkKafka(config: Config<'kafka'>['kafka']): Promise<Finding[]> {
  try {
    const there = await listTopics(config, 'doctor')
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
  }
}

const topicMissing = (topic: string): Finding => ({
  part,
  code: 'topic_missing',
  what: `Kafka has no topic ${topic}, or this user may not see it.`,
  todo: `Create it, with as many partitions as it may ever need: kafka-topics.sh --create --topic ${topic} --partitions 6.`,
})
