import { createSendGrid, type SendGridOptions } from './sendgrid.ts'
import { createVonage, type VonageOptions } from './vonage.ts'

export interface SenderOptions extends Pick<SendGridOptions & VonageOptions, 'timeoutMs'> {
  readonly sendgrid: Omit<SendGridOptions, 'timeoutMs'>
  readonly vonage: Omit<VonageOptions, 'timeoutMs'>
}

/** The providers that are configured, by channel (D1). */
export const createSenders = ({ sendgrid, vonage, timeoutMs }: SenderOptions) => ({
  email: createSendGrid({ ...sendgrid, timeoutMs }),
  sms: createVonage({ ...vonage, timeoutMs }),
})
