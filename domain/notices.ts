/**
 * The notices of a campaign (R2, R4): neither a code nor a link stands in them.
 */
export interface NoticeInput {
  readonly kind: 'announcement' | 'own_settings'
  readonly channel: 'sms' | 'email'
  /** BCP 47. */
  readonly language: string | null
  /** Of an announcement: from when SMS is mandatory. */
  readonly enforceAt?: Date
}

export function renderNotice({ kind, channel, enforceAt }: NoticeInput): {
  text: string
  subject?: string
  html?: string
} {
  const day = enforceAt?.toISOString().slice(0, 10) ?? ''
  const text =
    kind === 'announcement'
      ? `JMB: from ${day} your one-time passwords will come by SMS to this number.`
      : 'JMB: please set the notification destination of your one-time passwords in My account.'
  return channel === 'sms' ? { text } : { subject: 'JMB: one-time password settings', text, html: `<p>${text}</p>` }
}
