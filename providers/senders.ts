import type { Config } from '../config.ts'
import { createSendGrid } from './sendgrid.ts'
import { createVonage } from './vonage.ts'

/** The providers that are configured, by channel (D1). */
export const createSenders = ({ sendgrid, vonage, timeoutMs }: Config<'providers'>['providers']) => ({
  email: createSendGrid({ ...sendgrid, timeoutMs }),
  sms: createVonage({ ...vonage, timeoutMs }),
})
