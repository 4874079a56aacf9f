/**
 * Checking a submitted code (C5): the one way in, for HTTP, pages, signals and Updates alike.
 */
import type { Config, Policy } from '../config.ts'
import { canTryAgain, type VerifyCodeResult } from '../domain/challenge.ts'
import { judge, judgingMaterial, type Judgement, type StoredMaterial } from '../postgres/challenges.ts'
import type { Sql } from '../postgres/connect.ts'
import { deriveCode, deriveSeal, isSameCode, type CodeMaterial } from './code.ts'

export interface Judge {
  readonly sql: Sql
  readonly policy: Policy
  readonly codes: Config<'codes'>['codes']
}

export interface Submission {
  readonly challengeId: string
  /** Normalised: exactly the configured digits. */
  readonly code: string
  /** The same id gets the same verdict, and counts once. */
  readonly attemptId: string
  readonly fromWorkflow: boolean
  /** Only a challenge that this caller started; others are unknown to it (U1). */
  readonly startedBy?: string
  /** Only a challenge of this member. */
  readonly memberId?: string
}

/** A judgement, and where it closed the challenge what proves that to the workflow. */
export type SealedJudgement = Judgement & { readonly seal?: string }

/**
 * @returns what stands now, or `undefined` for an unknown challenge
 * @throws {UnknownKeyError} where the master key is missing: nothing was judged and no attempt is spent
 */
export async function judgeCode(
  { sql, policy, codes }: Judge,
  submission: Submission,
): Promise<SealedJudgement | undefined> {
  const { challengeId, code, attemptId, fromWorkflow, startedBy, memberId } = submission
  const material = await judgingMaterial(sql, challengeId, policy)
  if (material === undefined) return undefined
  if (startedBy !== undefined && startedBy !== material.caller) return undefined
  if (memberId !== undefined && memberId !== material.memberId) return undefined

  const { masterKeys, digits } = codes
  const complete = ({ challengeId: id, keyId, nonce }: StoredMaterial): CodeMaterial => ({
    memberId: material.memberId,
    challengeId: id,
    keyId,
    nonce: Buffer.from(nonce, 'hex'),
  })
  const isCodeOf = (stored: StoredMaterial) => isSameCode(code, deriveCode(masterKeys, complete(stored), digits))
  const matches = () => {
    if (!material.isOpen || material.submissions >= policy.maxSubmissions) return 'none'
    if (material.own !== null && isCodeOf(material.own)) return 'code'
    return material.older.some(isCodeOf) ? 'older' : 'none'
  }
  const judgement = await judge(sql, { challengeId, attemptId, matches: matches(), fromWorkflow }, policy)
  return judgement?.closedNow && material.own !== null
    ? { ...judgement, seal: deriveSeal(masterKeys, complete(material.own)) }
    : judgement
}

/** What the one who submitted is told. */
export function answerOf({ result, attemptsLeft, verifiedAt, newestSentAt, challenge }: Judgement): VerifyCodeResult {
  return {
    result,
    ...(canTryAgain(result) && { attemptsLeft }),
    ...(verifiedAt !== undefined && { verifiedAt: new Date(verifiedAt).toISOString() }),
    ...(newestSentAt !== undefined && { newestSentAt: new Date(newestSentAt).toISOString() }),
    ...(result === 'superseded' && challenge.continuedBy !== null && { continuedBy: challenge.continuedBy }),
  }
}
