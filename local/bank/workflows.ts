/**
 * What the bank's worker runs.
 */
export { awardRedemption } from './workflows/award-redemption.ts'
export { mileageAccount } from './workflows/mileage-account.ts'
