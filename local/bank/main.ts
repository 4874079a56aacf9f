/**
 * The demo mileage bank as a process: an upstream of its own (U5), with a web server and a Temporal worker. It has what any
 * upstream has: the service's address and an API key of its own.
 *
 * `BANK_PORT` (0 for any), `BANK_URL` where browsers find it (default: where it listens), `BANK_SESSION_KEY`,
 * `BANK_OTP_URL` where the service is, and `BANK_OTP_PUBLIC_URL` where browsers find it (default: the same), `BANK_OTP_API_KEY`, `BANK_OTP_CALLER` (our name there), `BANK_OUTBOX_URL` (for the demo), and Temporal's
 * own variables.
 */
import { Client, Connection } from '@temporalio/client'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import { NativeConnection, Worker } from '@temporalio/worker'
import { pino } from 'pino'
import { createBankActivities } from './activities.ts'
import { buildBank } from './app.ts'
import { createLedger } from './ledger.ts'
import { BANK_TASK_QUEUE } from './messages.ts'
import { createOtpService } from './otp-service.ts'
import { createProofReader } from './proof.ts'
import { createRedemptions } from './redemptions.ts'

function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

const log = pino({ name: 'bank' })
const port = Number(process.env['BANK_PORT'] || 0)
const otpUrl = required('BANK_OTP_URL')
const otpPublicUrl = process.env['BANK_OTP_PUBLIC_URL'] || otpUrl
const { connectionOptions, namespace = 'default' } = loadClientConnectConfig()

const otp = createOtpService({ url: otpUrl, apiKey: required('BANK_OTP_API_KEY') })
const temporal = new Client({ connection: Connection.lazy(connectionOptions), namespace })
const ledger = createLedger(temporal)

const connection = await NativeConnection.connect(connectionOptions)
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue: BANK_TASK_QUEUE,
  workflowsPath: new URL('workflows.ts', import.meta.url).pathname,
  activities: createBankActivities({ otp, ledger }),
  // Short: the first task after this process was killed waits so long for it.
  stickyQueueScheduleToStartTimeout: '1s',
  shutdownGraceTime: '3s',
})
const app = buildBank({
  ledger,
  redemptions: createRedemptions(temporal),
  otp,
  readProof: createProofReader({
    issuer: otpPublicUrl,
    audience: required('BANK_OTP_CALLER'),
    jwksUrl: `${otpUrl}/.well-known/jwks.json`,
  }),
  url: process.env['BANK_URL'] || `http://127.0.0.1:${port}`,
  otpUrl: otpPublicUrl,
  outbox: process.env['BANK_OUTBOX_URL'],
  sessionKey: required('BANK_SESSION_KEY'),
  log,
})

const running = worker.run()
const url = await app.listen({ host: '127.0.0.1', port, listenTextResolver: () => 'listening' })
log.info({ url }, 'ready')
// The worker's SDK ends it at SIGTERM and SIGINT.
await running
await app.close()
await Promise.all([connection.close(), temporal.connection.close()])
