import type { Config } from '../config.ts'
import { listTopics } from '../kafka/list-topics.ts'
import { NotUsable, type Part } from './parts.ts'

/** Kafka, there while a broker answers and has the topics. */
export const kafkaPart = (config: Config<'kafka'>['kafka'], topics: readonly string[]): Part => ({
  async look() {
    const there = await listTopics(config, 'health')
    if (topics.some((topic) => !there.has(topic))) throw new NotUsable('topic_missing')
  },
})
