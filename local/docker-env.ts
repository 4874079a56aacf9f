/**
 * `npm run docker-env`: writes development keys for docker-compose.yml into `.env`, unless there is one.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDevelopmentKeys } from './development-keys.ts'

const keys = makeDevelopmentKeys()
const lines = {
  OTP_MASTER_KEYS: keys.masterKeys,
  OTP_CODEC_KEYS: keys.codecKeys,
  OTP_PROOF_KEYS: keys.proofKeys,
  OTP_API_KEYS: keys.apiCallers,
  OTP_IP_HASH_KEY: keys.ipHashKey,
  SENDGRID_API_KEY: keys.sendgridApiKey,
  SENDGRID_WEBHOOK_PUBLIC_KEY: keys.sendgridWebhookPublicKey,
  OTP_SIMULATOR_SENDGRID_WEBHOOK_PRIVATE_KEY: keys.sendgridWebhookPrivateKey,
  VONAGE_API_KEY: keys.vonageApiKey,
  VONAGE_SIGNATURE_SECRET: keys.vonageSignatureSecret,
  VONAGE_APPLICATION_ID: keys.vonageApplicationId,
  // One line: config.ts reads \n as a line's end.
  VONAGE_PRIVATE_KEY: keys.vonagePrivateKey.trim().replaceAll('\n', '\\n'),
}
const content = Object.entries(lines).map(([name, value]) => `${name}='${value}'\n`)
try {
  writeFileSync(
    join(import.meta.dirname, '..', '.env'),
    [`# For docker compose, on this machine only. The API's key: ${keys.apiKey}\n`, ...content].join(''),
    { mode: 0o600, flag: 'wx' },
  )
  console.log(`.env holds development keys now. Call the API with "authorization: Bearer ${keys.apiKey}".`)
} catch {
  console.error('There is an .env already: remove it first to have new keys.')
  process.exitCode = 1
}
