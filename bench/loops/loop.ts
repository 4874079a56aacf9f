/**
 * What is compared: three ways to the same end. A message goes out to a member, 200 ms later its code (or, in the bare
 * loop, a signal) comes back, and the workflow completes.
 */
export const LOOP_NAMES = ['bare', 'client', 'http'] as const
export type LoopName = (typeof LOOP_NAMES)[number]

/** Milliseconds of one run. */
export interface LoopTimes {
  /** From the call that starts it until the caller knows that the provider took the message. */
  readonly startMs: number
  /** From the call that verifies until the verdict. The bare loop has none. */
  readonly verdictMs?: number
  /** From the same call until the workflow has completed. */
  readonly completedMs: number
}

export interface Loop {
  readonly name: LoopName
  /** Runs it once for the member of that number, whom no other run has had. */
  run(member: number): Promise<LoopTimes>
  /** The execution that a member's run left behind. */
  workflowId(member: number): string
}

/** Between the hand-over of the message and the answer, in every loop. */
export const ANSWER_AFTER_MS = 200

/** After that a run counts as failed. */
export const GIVE_UP_MS = 30_000
