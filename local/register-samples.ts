/**
 * Registers the sample members where `KAFKA_BROKERS` says, as `npm start` does: for `docker compose up`. Safe to repeat.
 */
import { loadConfig } from '../config.ts'
import { produceSampleMembers } from './produce-samples.ts'

const { brokers } = loadConfig(['kafka']).kafka
const members = await produceSampleMembers([...brokers])
for (const [name, memberId] of Object.entries(members)) console.log(`${memberId}  ${name}`)
