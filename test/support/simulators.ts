/**
 * The provider simulators for tests: in this process, on a free port, with keys made for the occasion.
 */
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { loadConfig } from '../../config.ts'
import { buildSimulators } from '../../local/simulators/app.ts'
import type { Fault } from '../../local/simulators/faults.ts'
import type { ReceiptOptions } from '../../local/simulators/receipts.ts'
import type { Accepted, OutboxMessage } from '../../local/simulators/outbox.ts'

export interface Simulators {
  readonly url: string
  /** What a sender's environment needs to reach them. */
  readonly env: Readonly<
    Record<
      'SENDGRID_API_KEY' | 'SENDGRID_BASE_URL' | 'VONAGE_APPLICATION_ID' | 'VONAGE_PRIVATE_KEY' | 'VONAGE_BASE_URL',
      string
    >
  >
  /** Newest first; to one destination (a number with or without `+`, or an address), or all that are kept. */
  messages(to?: string): Promise<OutboxMessage[]>
  /** Adds a fault; see `local/simulators/faults.ts`. */
  faults(fault: Fault): Promise<void>
  /** Forgets all messages and faults. */
  clear(): Promise<void>
  /** How many connections were opened so far. None of these functions opens one. */
  connections(): number
  stop(): Promise<void>
}

/**
 * @param receipts where receipts go; without it, there are none
 * @param onAccepted told of each message that was accepted
 */
export async function startSimulators(
  receipts: ReceiptOptions = {},
  onAccepted?: (message: Accepted) => void,
): Promise<Simulators> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const sendgridApiKey = `SG.${randomBytes(24).toString('base64url')}`
  const vonageApplicationId = randomUUID()
  const preview = loadConfig(['messages'], {}).messages
  const app = buildSimulators({
    sendgridApiKey,
    vonageApplicationId,
    vonagePublicKey: publicKey,
    preview,
    receipts,
    ...(onAccepted && { onAccepted }),
  })
  let opened = 0
  app.server.on('connection', () => opened++)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  return {
    url,
    env: {
      SENDGRID_API_KEY: sendgridApiKey,
      SENDGRID_BASE_URL: url,
      VONAGE_APPLICATION_ID: vonageApplicationId,
      VONAGE_PRIVATE_KEY: privateKey,
      VONAGE_BASE_URL: url,
    },
    messages: async (to) => {
      const answer = await app.inject({
        url: '/messages',
        query: to === undefined ? { limit: '100000' } : { to },
      })
      return answer.json<OutboxMessage[]>()
    },
    faults: async (fault) => {
      const answer = await app.inject({ method: 'POST', url: '/faults', payload: fault })
      if (answer.statusCode !== 200) throw new Error(`the simulators do not know this fault: ${answer.body}`)
    },
    clear: async () => {
      await app.inject({ method: 'DELETE', url: '/messages' })
      await app.inject({ method: 'DELETE', url: '/faults' })
    },
    connections: () => opened,
    stop: () => app.close(),
  }
}

/** The code in a message, read as a person would: the first run of 4 to 10 digits. */
export function codeOf({ text }: Pick<OutboxMessage, 'text'>): string {
  const code = /(?<!\d)\d{4,10}(?!\d)/.exec(text)?.[0]
  if (!code) throw new Error('there is no code in this message')
  return code
}
