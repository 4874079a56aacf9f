/**
 * Q4, I12, C7: Postgres, Temporal and Kafka killed and started again while challenges are in flight: every challenge
 * ends in one recorded outcome, a repeated send carries the same code, and nothing counted is forgotten.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startChallenge } from '../client/start-challenge.ts'
import { verifyCode } from '../client/verify-code.ts'
import { OTP_EVENTS } from '../kafka/topics.ts'
import { verifyCodeUpdate } from '../workflows/messages.ts'
import { executionOf } from './support/endings.ts'
import { startOwnStack, type OwnStack, type PartName } from './support/own-stack.ts'
import { codeOf } from './support/simulators.ts'
import { slowness } from './support/speed.ts'
import { wrongCode } from './support/system.ts'
import { until } from './support/until.ts'

const UNSENT = 16
const OPEN = 18
const BEING_VERIFIED = 16
/** The acceptance's own bound, on a machine at speed. */
const RECOVERED_WITHIN_MS = 60_000

let stack: OwnStack
let published: Awaited<ReturnType<typeof readEvents>>
// One hook each, so that the name of what does not come up is in the report.
beforeAll(async () => {
  stack = await startOwnStack()
})
beforeAll(async () => {
  await Promise.all([stack.run('challenge-worker'), stack.run('outbox-relay')])
})
beforeAll(async () => {
  published = await readEvents()
})
afterAll(async () => {
  await published?.stop()
  await stack?.stop()
})

/** The ids and types of the events that tell of each challenge, as they arrive. */
async function readEvents() {
  const seen = new Map<string, Map<string, string>>()
  const consumer = stack.kafka.consumer({ groupId: 'test', sessionTimeout: 6_000 })
  await consumer.connect()
  await consumer.subscribe({ topics: [OTP_EVENTS], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => {
      const { id, type, data } = JSON.parse(message.value!.toString()) as Record<'id' | 'type', string> & {
        data: { challengeId: string }
      }
      seen.set(data.challengeId, (seen.get(data.challengeId) ?? new Map<string, string>()).set(id, type))
    },
  })
  return {
    /** The type of each event of a challenge, an event that was sent twice counted once. */
    typesOf: (challengeId: string) => [...(seen.get(challengeId)?.values() ?? [])],
    stop: () => consumer.disconnect(),
  }
}

interface Member {
  readonly memberId: string
  readonly phone: string
}

async function addMembers(count: number): Promise<Member[]> {
  const first = randomInt(10_000_000, 90_000_000)
  const members = Array.from({ length: count }, (_, index) => ({
    memberId: `1${first + index}`,
    phone: `+8190${first + index}`,
  }))
  await stack.sql`
    insert into members (member_id, version, status, phone, phone_country, country, language, notification_preference,
      kafka_partition, kafka_offset)
    select member_id, 1, 'active', phone, 'JP', 'JP', 'en', 'sms', 0, 0
    from unnest(${members.map(({ memberId }) => memberId)}::text[], ${members.map(({ phone }) => phone)}::text[])
      as m (member_id, phone)`
  return members
}

/** As callers do: what could not be answered is asked again, with the same key. */
const persistently = <T>(ask: () => Promise<T | undefined>) =>
  until(() => ask().catch(() => undefined), RECOVERED_WITHIN_MS)

/** @returns the challenge's id; `undefined` where the start is refused */
async function start({ memberId }: Member): Promise<string | undefined> {
  const idempotency = { key: randomUUID(), requestHash: 'ab' }
  return persistently(async () => {
    const request = { memberId, purpose: 'redeem_benefit', caller: 'test', idempotency }
    const started = await startChallenge({ ...stack, policy: stack.config.policy }, request)
    if (!('challenge' in started)) throw new Error(started.kind)
    await started.started
    return started.challenge.challengeId
  })
}

const sentCodes = async ({ phone }: Member) => (await stack.simulators.messages(phone)).map(codeOf)
const sentCode = (member: Member) => until(async () => (await sentCodes(member))[0], RECOVERED_WITHIN_MS)

async function submit(challengeId: string, code: string) {
  const attemptId = randomUUID()
  const verified = await persistently(() =>
    verifyCode({ ...stack.judge, temporal: stack.temporal }, { challengeId, code, attemptId }),
  )
  // Where Temporal cannot be told, the sweep does it.
  await verified.told.catch(() => {})
  return verified.answer.result
}

async function update({ memberId }: Member, challengeId: string, code: string) {
  const options = { updateId: randomUUID(), args: [{ challengeId, code }] as const }
  const answer = await persistently(() =>
    executionOf(stack, memberId).executeUpdate(verifyCodeUpdate, { ...options, args: [...options.args] }),
  )
  return answer.result
}

interface InFlight extends Member {
  readonly challengeId: string
  readonly wrongAttempts: number
}

/** Fifty challenges: some whose send is not answered, some open, some with an attempt under way when `kill` is called. */
async function inFlightWhile(kill: () => Promise<void>): Promise<InFlight[]> {
  const members = await addMembers(UNSENT + OPEN + BEING_VERIFIED)
  const opened = members.slice(UNSENT)
  const unsent = members.slice(0, UNSENT)
  const openIds = await Promise.all(opened.map((member) => start(member)))
  const codes = await Promise.all(opened.map(sentCode))
  // Taken, and never answered: the send goes on when the part dies.
  for (const { phone } of unsent) await stack.simulators.faults({ to: phone, latencyMs: 600_000, times: 1 })
  const starting = unsent.map((member) => start(member))
  await until(async () => (await Promise.all(unsent.map(sentCodes))).some((sent) => sent.length > 0))
  const attempts = opened.slice(OPEN).map((member, index) => {
    const [challengeId, code] = [openIds[OPEN + index]!, codes[OPEN + index]!]
    return index % 2 === 0 ? submit(challengeId, wrongCode(code)) : update(member, challengeId, wrongCode(code))
  })
  await kill()
  const unsentIds = await Promise.all(starting)
  expect(await Promise.all(attempts)).toEqual(attempts.map(() => 'wrong_code'))
  return [
    ...unsent.map((member, index) => ({ ...member, challengeId: unsentIds[index]!, wrongAttempts: 0 })),
    ...opened.map((member, index) => ({
      ...member,
      challengeId: openIds[index]!,
      wrongAttempts: index < OPEN ? 0 : 1,
    })),
  ]
}

const recorded = async ({ challengeId }: InFlight) => {
  const [row] = await stack.sql`
    select outcome, attempts as "wrongAttempts" from challenges where challenge_id = ${challengeId}`
  return row
}

/** A member who guesses, a few times before each restart. */
let guesser: { member: Member; challengeId: string; code: string }

async function guess(times: number) {
  const [member] = guesser ? [guesser.member] : await addMembers(1)
  const challengeId = await start(member!)
  await until(
    async () =>
      (
        await stack.sql`
    select from challenges where challenge_id = ${challengeId!} and sent_at is not null`
      ).length > 0,
  )
  guesser = { member: member!, challengeId: challengeId!, code: await sentCode(member!) }
  for (let attempt = 1; attempt <= times; attempt++) {
    expect(await submit(challengeId!, wrongCode(guesser.code))).toBe('wrong_code')
  }
}

const failures = async () => {
  const [head] = await stack.sql`
    select failures, locked_until is not null as locked from challenge_heads where member_id = ${guesser.member.memberId}`
  return head
}

describe.each([
  { part: 'temporal', guesses: 4, failed: 4, locked: false },
  { part: 'kafka', guesses: 4, failed: 8, locked: false },
  { part: 'postgres', guesses: 2, failed: 10, locked: true },
] satisfies { part: PartName; guesses: number; failed: number; locked: boolean }[])(
  '$part killed, and started again',
  ({ part, guesses, failed, locked }) => {
    let inFlight: InFlight[]
    let revivedAt: number
    beforeAll(async () => {
      await guess(guesses)
      inFlight = await inFlightWhile(async () => {
        await stack.kill(part)
        await stack.revive(part)
        revivedAt = Date.now()
      })
    })

    it('every challenge in flight is verified with its code, within 60 s, and ends once', async () => {
      const codes = await Promise.all(inFlight.map(sentCode))
      const verdicts = await Promise.all(inFlight.map(({ challengeId }, index) => submit(challengeId, codes[index]!)))
      expect(new Set(verdicts)).toEqual(new Set(['verified']))
      const results = await Promise.all(inFlight.map(({ memberId }) => executionOf(stack, memberId).result()))
      expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['verified']))
      await until(
        async () => inFlight.every(({ challengeId }) => published.typesOf(challengeId).length > 0),
        RECOVERED_WITHIN_MS,
      )
      expect(Date.now() - revivedAt).toBeLessThan(RECOVERED_WITHIN_MS * slowness())
      expect(await Promise.all(inFlight.map(recorded))).toEqual(
        inFlight.map(({ wrongAttempts }) => ({ outcome: 'verified', wrongAttempts })),
      )
      expect(inFlight.map(({ challengeId }) => published.typesOf(challengeId))).toEqual(
        inFlight.map(() => ['otp.challenge.verified']),
      )
    })

    it('a repeated send carries the same code', async () => {
      const sent = await Promise.all(inFlight.map(sentCodes))
      expect(sent.map((codes) => new Set(codes).size)).toEqual(sent.map(() => 1))
      expect(Math.max(...sent.map((codes) => codes.length))).toBeLessThanOrEqual(3)
    })

    it('wrong attempts are counted on, over challenges and restarts', async () => {
      expect(await failures()).toEqual({ failures: failed, locked })
    })
  },
)

it('the lock of the tenth failure outlives the restart', async () => {
  const { member, challengeId, code } = guesser
  expect(await submit(challengeId, code)).toBe('locked')
  const request = { memberId: member.memberId, purpose: 'redeem_benefit', caller: 'test' }
  expect(await startChallenge({ ...stack, policy: stack.config.policy }, request)).toMatchObject({
    kind: 'refused',
    reason: 'locked',
    retryAfter: expect.any(Number),
  })
})
