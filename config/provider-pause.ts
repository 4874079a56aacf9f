/** How a provider in trouble is paused (D6): who admits starts has to know it, and who sends. */
import { int } from './values.ts'

export const pauseFields = {
  /** D6: after so many temporary failures in a row one request a second tries, and the others wait; 0 is never. */
  OTP_PROVIDER_FAILURES_BEFORE_PAUSE: int(0, 1_000, 10),
  /** D6: however long a provider asks to be left alone (Retry-After), one request asks again after so long. */
  OTP_PROVIDER_PAUSE_MOST_SECONDS: int(1, 600, 30),
}
