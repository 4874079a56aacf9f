/**
 * The bank's workflows as its web server knows them: ids, shapes and messages.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'

export const BANK_TASK_QUEUE = 'mileage-bank'
export const redemptionWorkflowId = (redemptionId: string): string => `award-redemption/${redemptionId}`
export const accountWorkflowId = (memberId: string): string => `mileage-account/${memberId}`

/** What a member asked for; `redemptionId` is a UUID of the form that asked, so that it is carried out once. */
export interface AwardOrder {
  readonly redemptionId: string
  readonly memberId: string
  readonly awardId: string
  readonly miles: number
}

/**
 * `begun` → `unproven` (the member has a code to enter) → `proven` → `redeemed`; or `given_up`, also at once, where no code
 * can be sent.
 */
export interface Redemption extends AwardOrder {
  readonly status: 'begun' | 'unproven' | 'proven' | 'redeemed' | 'given_up'
  /** The newest challenge that we know of. */
  readonly challengeId?: string
  readonly gaveUp?: GaveUp
}

/**
 * Why an award was not redeemed: a problem code of the one-time password service, the outcome of the challenge, or one of
 * ours (`not_enough_miles`, `unavailable`).
 */
export interface GaveUp {
  readonly reason: string
  /** When it makes sense to try again; ISO 8601. */
  readonly retryAt?: string
}

export const redemptionQuery = defineQuery<Redemption>('redemption')
/** Answers once a code was asked for, or none will be. */
export const codeAskedForUpdate = defineUpdate<Redemption>('codeAskedFor')
/** A proof whose signature the web server has verified. */
export const proofPresentedSignal = defineSignal<[{ readonly challengeId: string }]>('proofPresented')

/** A member's miles, and what became of the latest redemptions, newest first. */
export interface Account {
  readonly miles: number
  readonly entries: readonly AccountEntry[]
}

export interface AccountEntry {
  readonly redemptionId: string
  readonly awardId: string
  readonly miles: number
  readonly status: 'reserved' | 'redeemed' | 'released'
}

export const accountQuery = defineQuery<Account>('account')
/** False where there are too few miles. Repeated, it changes nothing. */
export const reserveUpdate = defineUpdate<boolean, [AwardOrder]>('reserve')
/** Ends a reservation, once; one that there is not stays none. */
export const settleUpdate = defineUpdate<void, [{ redemptionId: string; as: 'redeemed' | 'released' }]>('settle')
