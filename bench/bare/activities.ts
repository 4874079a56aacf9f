import { Context } from '@temporalio/activity'
import type { Config } from '../../config.ts'
import type { Channel } from '../../domain/challenge.ts'
import { renderMessage } from '../../messages/code-message.ts'
import type { Provider } from '../../providers/provider.ts'
import { benchMember } from '../members.ts'

export type BareActivities = ReturnType<typeof createBareActivities>

/** @param onSent told the number of each member whose message a provider took */
export function createBareActivities(
  providers: Readonly<Record<Channel, Provider>>,
  delivery: Config<'providers'>['providers'],
  onSent: (member: number) => void,
) {
  const { originHost } = delivery
  // Rendered once: what a challenge spends on its own message is part of what is measured.
  const render = (channel: Channel) =>
    renderMessage({ channel, language: 'en', code: '123456', purpose: 'view_membership', originHost, ttlMinutes: 10 })
  const messages = { sms: render('sms'), email: render('email') }
  const senders = { sms: delivery.vonage.from, email: delivery.sendgrid.from }

  return {
    async sendMessage(member: number): Promise<void> {
      const { channel, destination: to } = benchMember(member)
      const message = { reference: `bare-${member}`, to, from: senders[channel], ...messages[channel] }
      await providers[channel].send(message, Context.current().cancellationSignal)
      onSent(member)
    },
  }
}
