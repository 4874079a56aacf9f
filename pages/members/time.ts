/**
 * Times as members read them. They are those of Japan, and the words around them say so in every language.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'

const ZONE = 'Asia/Tokyo'

/** The time of day, and the day where it is not today's: `12:03`, `11月25日 0:10`. */
export function formatTime({ language }: Catalog, at: Date, now = new Date()): string {
  const day = new Intl.DateTimeFormat(language, { timeZone: ZONE, year: 'numeric', month: 'long', day: 'numeric' })
  const isToday = day.format(at) === day.format(now)
  return new Intl.DateTimeFormat(language, {
    timeZone: ZONE,
    hour: 'numeric',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(!isToday && { month: 'long', day: 'numeric' }),
  }).format(at)
}

/** Seconds that run down: the script counts them on, and corrects them by what the server says under the same name. */
export function renderCountdown(name: 'expiry' | 'resend', seconds: number): SafeHtml {
  return html`<b role="timer" data-countdown="${name}" data-seconds="${seconds.toFixed(3)}">${clockOf(seconds)}</b>`
}

/** `9:07` */
function clockOf(seconds: number): string {
  const whole = Math.ceil(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
