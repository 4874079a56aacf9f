/**
 * The simulators as a process: `OTP_SIMULATOR_PORT` (0 for any), `OTP_SIMULATOR_HOST`, and the sender's own
 * `SENDGRID_API_KEY`, `VONAGE_APPLICATION_ID` and `VONAGE_PRIVATE_KEY`.
 *
 * Receipts are posted to `OTP_SIMULATOR_SENDGRID_WEBHOOK_URL`, signed with `OTP_SIMULATOR_SENDGRID_WEBHOOK_PRIVATE_KEY`,
 * and to `OTP_SIMULATOR_VONAGE_WEBHOOK_URL`, signed with `VONAGE_API_KEY` and `VONAGE_SIGNATURE_SECRET`; where one of
 * these is not set, that provider posts none. The page of all texts reads what the sender's messages read
 * (`OTP_ORIGIN_HOST` and the like).
 */
import { createPublicKey } from 'node:crypto'
import { loadConfig } from '../../config.ts'
import { healthRoutes } from '../../process/health.ts'
import { runProcess } from '../../process/run.ts'
import { buildSimulators } from './app.ts'
import type { ReceiptOptions } from './receipts.ts'

function configure() {
  const privateKey = required('VONAGE_PRIVATE_KEY').replaceAll('\\n', '\n')
  return {
    ...loadConfig(['messages', 'log']),
    sendgridApiKey: required('SENDGRID_API_KEY'),
    vonageApplicationId: required('VONAGE_APPLICATION_ID'),
    vonagePublicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString(),
    receipts: receiptOptions(),
    host: process.env['OTP_SIMULATOR_HOST'] || '127.0.0.1',
    port: Number(process.env['OTP_SIMULATOR_PORT'] || 0),
  }
}

function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

function receiptOptions(): ReceiptOptions {
  const {
    OTP_SIMULATOR_SENDGRID_WEBHOOK_URL: sendgridUrl,
    OTP_SIMULATOR_SENDGRID_WEBHOOK_PRIVATE_KEY: privateKey,
    OTP_SIMULATOR_VONAGE_WEBHOOK_URL: vonageUrl,
    VONAGE_API_KEY: apiKey,
    VONAGE_SIGNATURE_SECRET: signatureSecret,
  } = process.env
  return {
    ...(sendgridUrl && privateKey && { sendgrid: { webhookUrl: sendgridUrl, privateKey } }),
    ...(vonageUrl && apiKey && signatureSecret && { vonage: { webhookUrl: vonageUrl, apiKey, signatureSecret } }),
  }
}

await runProcess({ name: 'simulators', configure }, async ({ config, log, registry, health, closing }) => {
  const { host, port, messages, ...accounts } = config
  const app = buildSimulators({ ...accounts, preview: messages, log })
  healthRoutes(app, { health, registry })
  closing.defer(() => app.close())
  const url = await app.listen({ host, port, listenTextResolver: () => 'listening' })
  return { url }
})
