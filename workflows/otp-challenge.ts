/**
 * One challenge, from the first request to a provider to its one outcome (C). Postgres decides; this carries the
 * process: it has the code sent, listens for attempts, wakes when the ten minutes are over, and ends as what stands.
 */
import {
  ActivityCancellationType,
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  currentUpdateInfo,
  isCancellation,
  log,
  metricMeter,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow'
import type { ChallengeActivities } from '../activities/challenge.ts'
import {
  isAttemptJudged,
  isChallengeInput,
  isVerifyCodeInput,
  type Channel,
  type ChallengeInput,
  type ChallengeResult,
  type ChallengeStatusResult,
  type VerifyCodeInput,
  type VerifyCodeResult,
} from '../domain/challenge.ts'
import { challengeDetails } from './challenge-details.ts'
import { challengeWorkflowId } from './ids.ts'
import { CHANNEL, MEMBER_ID, OUTCOME, PURPOSE } from './search-attributes.ts'
import {
  attemptJudgedSignal,
  challengeStatusQuery,
  deliveryFailedSignal,
  verifyCodeSignal,
  verifyCodeUpdate,
} from './messages.ts'

/**
 * A send is bound by the life of the code (C4), which Postgres judges; the time-out over all tries is for when it cannot:
 * ten minutes at most until the code's life begins, and ten of that. One try waits 4 s at most for its turn, and 8 s
 * for the provider.
 */
const SEND = {
  startToCloseTimeout: '13s',
  scheduleToCloseTimeout: '20m',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s' },
} as const
const DECIDE = {
  startToCloseTimeout: '5s',
  retry: { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '5s' },
} as const
/** With what the Web UI shows of each (O1). */
const { sendCode } = proxyActivities<ChallengeActivities>({ ...SEND, summary: 'send the code' })
const { failOver } = proxyActivities<ChallengeActivities>({ ...SEND, summary: 'send it by the other channel' })
const { checkCode } = proxyActivities<ChallengeActivities>({ ...DECIDE, summary: 'judge a code' })
const { closeChallenge } = proxyActivities<ChallengeActivities>({
  ...DECIDE,
  summary: 'close, unless an outcome stands',
})
/** Local: it reads what stands, and adds one event instead of six. */
const { readOutcome } = proxyLocalActivities<ChallengeActivities>({
  ...DECIDE,
  summary: 'read what was judged elsewhere',
})

/** How long one that gave way waits to be cancelled, so that it shows as Canceled: by the newer start, or by the next sweep. */
const GIVE_WAY = '1m'

/** There are two channels, and few reasons to be told again that the first has failed. */
const MOST_HINTS = 10
/** No member types so often; a flood must not fill the history (51,200 events at most). */
const MOST_SIGNALS = 1_000

export async function otpChallenge(input: ChallengeInput): Promise<ChallengeResult> {
  const { workflowId, runId } = workflowInfo()
  if (!isChallengeInput(input) || workflowId !== challengeWorkflowId(input.memberId)) {
    throw ApplicationFailure.nonRetryable(
      'wants {challengeId: UUIDv7, memberId, purpose} and the workflow id otp-challenge/<memberId>',
      'invalid_request',
    )
  }
  const { challengeId, memberId, purpose } = input
  let status: ChallengeStatusResult = { challengeId, purpose, status: 'sending' }
  let result: ChallengeResult | undefined
  let hinted = false
  /** What our own API knows too, and nobody else; from the first answer of `sendCode`. */
  let seal: string | undefined
  /** `remainingMs` once a provider took the code: for so long it still lives. */
  const delivery: { remainingMs?: number; failed?: true } = {}

  const show = (news: Partial<ChallengeStatusResult>) => {
    status = { ...status, ...news }
    setCurrentDetails(challengeDetails(status))
  }
  show({})
  const settle = (standing: ChallengeResult) => {
    result = standing
    show({ status: standing.outcome })
  }

  // Attempts: by signal, by Update, and by HTTP (which are judged there, and told of here).
  let signals = 0
  const check = (attempt: VerifyCodeInput, attemptId: string): Promise<VerifyCodeResult> =>
    CancellationScope.nonCancellable(async () => {
      const { answer, closed } = await checkCode({ ...attempt, attemptId, memberId }).catch((error: unknown) => {
        throw error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error
      })
      if (attempt.challengeId === challengeId) {
        if (answer.attemptsLeft !== undefined) show({ attemptsLeft: answer.attemptsLeft })
        if (closed) settle(closed)
      }
      return answer
    })
  setHandler(verifyCodeSignal, async (attempt: unknown) => {
    const attemptId = `${runId}:signal:${++signals}`
    if (!isVerifyCodeInput(attempt)) return ignore('verifyCode')
    if (signals > MOST_SIGNALS) return ignore('verifyCode', 'it has come too often')
    // Nobody waits for an answer, and no outcome changes any more.
    if (result !== undefined) return
    try {
      await check(attempt, attemptId)
    } catch {
      ignore('verifyCode')
    }
  })
  setHandler(verifyCodeUpdate, (attempt) => check(attempt, `${runId}:update:${currentUpdateInfo()!.id}`), {
    validator: (attempt: unknown) => {
      if (!isVerifyCodeInput(attempt)) {
        throw ApplicationFailure.nonRetryable('wants {challengeId, code}', 'invalid_code')
      }
    },
  })
  setHandler(attemptJudgedSignal, (hint: unknown) => {
    if (!isAttemptJudged(hint)) return ignore('attemptJudged')
    show({ attemptsLeft: hint.attemptsLeft })
    if (hint.closed && hint.result && seal !== undefined && hint.seal === seal) settle(hint.result)
    else hinted ||= hint.closed
  })
  setHandler(challengeStatusQuery, () => status)

  // A code verifies while its send is still being answered, so the send runs beside the waiting.
  const sending = new CancellationScope()
  let sends = 0
  const send = async (activity: typeof sendCode | typeof failOver) => {
    sends++
    try {
      const sent = await sending.run(() => activity(input))
      if (sent === undefined) return
      if ('closed' in sent) return settle(sent.closed)
      const attemptsLeft = status.attemptsLeft ?? sent.status.attemptsLeft
      show({ ...sent.status, attemptsLeft, status: result?.outcome ?? 'open' })
      ;({ seal } = sent)
      delivery.remainingMs = sent.remainingMs
    } catch {
      // After a failover that failed, the first message may still arrive.
      if (delivery.remainingMs === undefined) delivery.failed = true
    } finally {
      sends--
      failOverIfUndelivered()
    }
  }
  let undelivered = false
  const failOverIfUndelivered = () => {
    if (!undelivered || sends > 0 || delivery.failed || result !== undefined) return
    undelivered = false
    void send(failOver)
  }
  let hints = 0
  setHandler(deliveryFailedSignal, () => {
    if (++hints > MOST_HINTS) return ignore('deliveryFailed', 'it has come too often')
    undelivered = true
    failOverIfUndelivered()
  })
  const news = () => result !== undefined || hinted

  try {
    void send(sendCode)
    while (result === undefined) {
      if (hinted) {
        hinted = false
        const standing = await readOutcome({ challengeId })
        if (standing) settle(standing)
      } else if (delivery.failed) {
        settle((await closeChallenge({ challengeId, as: 'undeliverable', reason: 'not_sent' })).closed!)
      } else if (delivery.remainingMs === undefined) {
        await condition(() => news() || delivery.remainingMs !== undefined || delivery.failed === true)
      } else if (!(await condition(news, delivery.remainingMs, { summary: 'until the code expires' }))) {
        const { closed, remainingMs } = await closeChallenge({ challengeId, as: 'expired' })
        if (closed) settle(closed)
        else delivery.remainingMs = remainingMs!
      }
    }
    if (sends > 0) sending.cancel()
    await condition(allHandlersFinished)
    if (result.outcome === 'superseded' || result.outcome === 'cancelled') {
      await condition(() => false, GIVE_WAY, { summary: 'until it is cancelled' })
      await condition(allHandlersFinished)
    }
  } catch (error) {
    if (!isCancellation(error)) throw error
    // What stands decides: a cancel that comes after a verdict finds `verified`.
    const standing = await CancellationScope.nonCancellable(async () => {
      await condition(allHandlersFinished)
      const closed = result ?? (await closeChallenge({ challengeId, as: 'cancelled' })).closed!
      // Attempts that came meanwhile are answered too.
      await condition(allHandlersFinished)
      return closed
    })
    settle(standing)
    if (standing.outcome === 'superseded' || standing.outcome === 'cancelled') {
      showOutcome(input, standing, status.channel)
      throw error
    }
  }

  showOutcome(input, result!, status.channel)
  if (result!.outcome === 'undeliverable') {
    throw ApplicationFailure.nonRetryable('the code could not be delivered', 'undeliverable', result)
  }
  return result!
}

/** O1. A start that did not come from our API said nothing of member, purpose and channel; a failover changed the last. */
function showOutcome({ memberId, purpose }: ChallengeInput, { outcome }: ChallengeResult, channel?: Channel): void {
  const known = workflowInfo().typedSearchAttributes
  upsertSearchAttributes([
    { key: OUTCOME, value: outcome },
    ...(known.get(MEMBER_ID) === undefined ? [{ key: MEMBER_ID, value: memberId }] : []),
    ...(known.get(PURPOSE) === undefined ? [{ key: PURPOSE, value: purpose }] : []),
    ...(channel !== undefined && known.get(CHANNEL) !== channel ? [{ key: CHANNEL, value: channel }] : []),
  ])
}

/** C15: counted, and otherwise without effect. */
function ignore(message: string, reason = 'it has not the shape it should have'): void {
  metricMeter
    .createCounter('otp_ignored_messages', 'messages', 'Messages of a shape that nothing can be made of')
    .add(1, { message })
  log.warn('ignored a message', { message, reason })
}
