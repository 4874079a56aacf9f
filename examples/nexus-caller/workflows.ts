/**
 * A workflow of another team's, in a namespace of its own: it changes a membership once the member has proved who they
 * are. Its pages tell it what the member typed; the code goes to the one-time password service, and nowhere else.
 */
import {
  CancellationScope,
  condition,
  createNexusServiceClient,
  defineQuery,
  defineUpdate,
  isCancellation,
  setHandler,
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

export async function changeMembership(change: MembershipChange): Promise<MembershipChanged> {
  const { memberId, endpoint = OTP_NEXUS_ENDPOINT } = change
  const otp = createNexusServiceClient({ endpoint, service: otpService })
  let challengeId: string | undefined
  setHandler(challengeIdQuery, () => challengeId)
  setHandler(typedCodeUpdate, async (code) => {
    await condition(() => challengeId !== undefined)
    return otp.executeOperation('verifyCode', { challengeId: challengeId!, code })
  })

  try {
    const asked = await otp.startOperation('challenge', { memberId, purpose: 'change_membership' })
    challengeId = asked.token
    const { outcome } = await asked.result()
    return { isChanged: outcome === 'verified', because: outcome }
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal !== undefined) return { isChanged: false, because: refusal }
    // Not by us: a newer challenge of the member's took its place, or somebody cancelled it.
    const isTakenBack = isCancellation(error) && !CancellationScope.current().consideredCancelled
    if (isTakenBack) return { isChanged: false, because: 'superseded' }
    throw error
  }
}
