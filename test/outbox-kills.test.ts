/**
 * U4, Q4: the relay, Kafka and Postgres die at random while thousands of challenges end: a consumer sees every outcome, in
 * the order of each member, and none that was not committed.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OTP_EVENTS } from '../kafka/topics.ts'
import { startOwnStack, type OwnStack } from './support/own-stack.ts'
import { faultsOf } from './support/otp-events.ts'
import { patience } from './support/speed.ts'
import { until } from './support/until.ts'

const OUTCOMES = 5_000
const MEMBERS = 100
const WRITERS = 20
/** Of every so many challenges one is concluded in a transaction that is rolled back. */
const ROLLED_BACK_EVERY = 10
const KILLS = ['relay', 'postgres', 'relay', 'kafka', 'relay', 'postgres', 'relay'] as const

let stack: OwnStack
let relay: Awaited<ReturnType<typeof keepRelay>>
beforeAll(async () => {
  stack = await startOwnStack()
  relay = await keepRelay()
})
afterAll(async () => {
  await relay?.stop()
  await stack?.stop()
})

/** Starts it again at once whenever it ends, which it also does by itself where it finds no broker at its start. */
async function keepRelay() {
  const start = () => stack.run('outbox-relay').catch(() => undefined)
  let current = await until(start, 30_000)
  let stopping = false
  const keep = async () => {
    for (;;) {
      await current.ended
      if (stopping) return
      current = await until(start, 30_000)
    }
  }
  const keeping = keep()
  return {
    kill: () => {
      const { pid } = current
      return until(async () => {
        try {
          return process.kill(-current.pid, 'SIGKILL')
        } catch {
          // It had just ended by itself: the next one, then.
          return current.pid !== pid
        }
      }, 30_000)
    },
    stop: async () => {
      stopping = true
      await current.stop()
      await keeping
    },
  }
}

/** Challenges that are open, of all members in turn. @returns their ids */
async function admitAll(): Promise<string[]> {
  const ids = Array.from({ length: OUTCOMES }, () => uuidv7())
  await stack.sql`
    insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, channel, admitted_at, expires_at)
    select id, 'm' || n % ${MEMBERS}, n, 'redeem_benefit', 'test', id, 'sms', now(), now() + interval '10 minutes'
    from unnest(${ids}::uuid[]) with ordinality as c (id, n)`
  return ids
}

/** Ends a challenge, until Postgres has said that it stands. */
async function end(challengeId: string): Promise<void> {
  if (randomInt(ROLLED_BACK_EVERY) === 0) await concludeAndRollBack(challengeId)
  await until(
    () =>
      conclude(stack.sql, challengeId).then(
        () => true,
        () => undefined,
      ),
    60_000,
  )
}

const conclude = async (sql: Pick<OwnStack['sql'], 'unsafe'>, challengeId: string) => {
  await sql.unsafe(
    `select conclude(c, 'verified', null, null, false, challenge_now())
      from challenges c, lock_head(c.member_id) where challenge_id = $1 and outcome is null`,
    [challengeId],
  )
}

/** As a process that dies just before its commit. */
async function concludeAndRollBack(challengeId: string): Promise<void> {
  await stack.sql
    .begin(async (transaction) => {
      await conclude(transaction, challengeId)
      await transaction`update outbox set type = 'otp.challenge.never' where data->>'challengeId' = ${challengeId}`
      throw new Error('rolled back')
    })
    .catch(() => {})
}

async function endAll(ended: { count: number }): Promise<void> {
  const ids = (await admitAll()).values()
  const work = async () => {
    for (const id of ids) {
      await end(id)
      ended.count++
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, work))
}

/** At random moments, spread over the work. */
async function killAll(ended: { readonly count: number }): Promise<void> {
  for (const [index, name] of KILLS.entries()) {
    const at = ((index + Math.random()) * OUTCOMES) / KILLS.length
    await until(async () => ended.count >= at, 60_000)
    if (name === 'relay') {
      await relay.kill()
      continue
    }
    await stack.kill(name)
    await wait(randomInt(200))
    await stack.revive(name)
  }
}

interface Outcome {
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly data: { readonly challengeId: string }
}

/** A consumer of the topic, from its beginning on. */
async function consume(events: Outcome[]) {
  const consumer = stack.kafka.consumer({ groupId: 'outbox-kills' })
  await consumer.connect()
  await consumer.subscribe({ topics: [OTP_EVENTS], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => void events.push(JSON.parse(String(message.value)) as Outcome),
  })
  return consumer
}

it(
  'a consumer sees every outcome, in the order of each member, and none that was not committed',
  async () => {
    const ended = { count: 0 }
    await Promise.all([endAll(ended), killAll(ended)])
    const left = async () => (await stack.sql<[{ left: number }]>`select count(*)::int as left from outbox`)[0].left
    await until(async () => (await left()) === 0, 60_000)

    const events: Outcome[] = []
    const consumer = await consume(events)
    await until(async () => new Set(events.map(({ data }) => data.challengeId)).size === OUTCOMES, 30_000)
    await consumer.disconnect()

    expect(events.flatMap((event) => faultsOf({ ...event }))).toEqual([])
    const seen = new Set<string>()
    const fresh = events.filter(({ id }) => !seen.has(id) && seen.add(id))
    const told = Map.groupBy(fresh, ({ subject }) => subject)
    const committed = await stack.sql<{ memberId: string; challenges: string[] }[]>`
    select member_id as "memberId", array_agg(challenge_id order by closed_at) as challenges
    from challenges where outcome = 'verified' group by member_id`
    expect(committed.flatMap(({ challenges }) => challenges)).toHaveLength(OUTCOMES)
    expect(told.size).toBe(MEMBERS)
    for (const { memberId, challenges } of committed) {
      expect(
        told.get(memberId)?.map(({ data }) => data.challengeId),
        memberId,
      ).toEqual(challenges)
    }
    console.log(`${events.length} events for ${OUTCOMES} outcomes, through ${KILLS.length} deaths`)
  },
  patience(180),
)
