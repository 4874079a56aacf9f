/**
 * What runs on the task queue `sms-campaign`. The exported names are workflow types on the wire, permanent.
 */
export { smsEnrollmentCampaign } from './sms-campaign.ts'
