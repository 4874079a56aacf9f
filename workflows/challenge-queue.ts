/**
 * What runs on the task queue `otp-challenge`. The exported names are workflow types on the wire, permanent.
 */
export { challengeCleanup } from './challenge-cleanup.ts'
export { challengeSweep } from './challenge-sweep.ts'
export { otpChallenge } from './otp-challenge.ts'
