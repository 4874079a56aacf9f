/**
 * Registers the sample members where `KAFKA_BROKERS` says, as `npm start` does: for `docker compose up`. Safe to repeat.
 */
import { loadConfig } from '../config.ts'
import { MEMBER_EVENTS } from '../kafka/topics.ts'
import { kafkaPart } from '../process/kafka.ts'
import { runProcess } from '../process/run.ts'
import { produceSampleMembers } from './produce-samples.ts'

await runProcess(
  { name: 'sample-members', configure: () => loadConfig(['kafka', 'log']), once: true },
  async ({ config: { kafka }, parts }) => {
    parts.report({ kafka: kafkaPart(kafka, [MEMBER_EVENTS]) })
    await parts.waitForAll()
    return { ended: register([...kafka.brokers]) }
  },
)

async function register(brokers: string[]): Promise<void> {
  const members = await produceSampleMembers(brokers)
  for (const [name, memberId] of Object.entries(members)) console.log(`${memberId}  ${name}`)
}
