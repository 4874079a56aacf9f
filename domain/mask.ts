/**
 * Destinations as they may be shown (C12): enough for the member to know their own, too little for anyone else.
 */
import type { Channel } from './challenge.ts'

/**
 * `+819012345678` → `***-****-5678`; `hanako@example.jp` → `h***@e***.jp`.
 */
export function maskDestination(channel: Channel, destination: string): string {
  if (channel === 'sms') return `***-****-${destination.slice(-4)}`
  const [first = ''] = destination
  const domain = destination.slice(destination.lastIndexOf('@') + 1)
  const topLevel = domain.slice(domain.lastIndexOf('.') + 1)
  return `${first}***@${domain[0] ?? ''}***.${topLevel}`
}
