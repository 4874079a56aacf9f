/**
 * A workflow of another team's, in a namespace of its own: it changes a membership once the member has proved who they
 * are. Its pages tell it what the member typed; the code goes to the one-time password service, and nowhere else.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  createNexusServiceClient,
  defineQuery,
  defineUpdate,
  isCancellation,
  setHandler,
  sleep,
} from '@temporalio/workflow'
import {
  OTP_NEXUS_ENDPOINT,
  otpService,
  refusalOf,
  type Outcome,
  type Refusal,
  type VerifyCodeResult,
} from 'one-time-password/temporal'

export interface MembershipChange {
  readonly memberId: string
  readonly endpoint?: string
}

export interface MembershipChanged {
  readonly isChanged: boolean
  readonly because: Outcome | Refusal
}

export const challengeIdQuery = defineQuery<string | undefined>('challengeId')
export const typedCodeUpdate = defineUpdate<VerifyCodeResult, [string]>('typedCode')

const LOOK_EVERY = '2s'

export async function changeMembership(change: MembershipChange): Promise<MembershipChanged> {
  const { memberId, endpoint = OTP_NEXUS_ENDPOINT } = change
  const otp = createNexusServiceClient({ endpoint, service: otpService })
  let challengeId: string | undefined
  setHandler(challengeIdQuery, () => challengeId)
  const judge = (code: string) => otp.executeOperation('verifyCode', { challengeId: challengeId!, code })
  setHandler(typedCodeUpdate, judge, {
    validator: (_code) => {
      if (challengeId === undefined) throw new Error('no code was asked for yet')
    },
  })

  const changed = await askForCode()
  // The last code's verdict may come after the outcome that it led to.
  await condition(allHandlersFinished)
  return changed

  async function askForCode(): Promise<MembershipChanged> {
    try {
      const asked = await otp.startOperation('challenge', { memberId, purpose: 'change_membership' })
      challengeId = asked.token
      const outcome = await asked.result().then(({ outcome }) => outcome, unlessSuperseded)
      const because = outcome === 'verified' ? outcome : await outcomeOfNewest()
      return { isChanged: because === 'verified', because }
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal !== undefined) return { isChanged: false, because: refusal }
      throw error
    }
  }

  /** The member may have had a code sent again: then a newer challenge continues ours, and its outcome is the one. */
  async function outcomeOfNewest(): Promise<Outcome> {
    for (;;) {
      const newest = await otp.executeOperation('challengeStatus', { challengeId: challengeId! })
      challengeId = newest.challengeId
      if (newest.status !== 'open' && newest.status !== 'sending') return newest.status
      await sleep(LOOK_EVERY)
    }
  }
}

/** The operation was canceled, but not by us: another challenge took the place of ours, or somebody cancelled it. */
function unlessSuperseded(error: unknown): undefined {
  if (!isCancellation(error) || CancellationScope.current().consideredCancelled) throw error
}
