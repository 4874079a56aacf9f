/**
 * The demo mileage bank as a process: an upstream of its own (U5), with a web server and a Temporal worker. It has what any
 * upstream has: the service's address and an API key of its own. Of ours it has only how a process is run.
 *
 * `BANK_PORT` (0 for any), `BANK_URL` where browsers find it (default: where it listens), `BANK_SESSION_KEY`,
 * `BANK_OTP_URL` where the service is, and `BANK_OTP_PUBLIC_URL` where browsers find it (default: the same), `BANK_OTP_API_KEY`, `BANK_OTP_CALLER` (our name there), `BANK_OUTBOX_URL` (for the demo), and Temporal's
 * own variables.
 */
import { Client, Connection } from '@temporalio/client'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import { NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { healthRoutes } from '../../process/health.ts'
import { runProcess } from '../../process/run.ts'
import { temporalPart } from '../../process/temporal.ts'
import { createBankActivities } from './activities.ts'
import { buildBank } from './app.ts'
import { createLedger } from './ledger.ts'
import { BANK_TASK_QUEUE } from './messages.ts'
import { createOtpService } from './otp-service.ts'
import { createProofReader } from './proof.ts'
import { createRedemptions } from './redemptions.ts'

function configure() {
  const port = Number(process.env['BANK_PORT'] || 0)
  const otpUrl = required('BANK_OTP_URL')
  return {
    port,
    url: process.env['BANK_URL'] || `http://127.0.0.1:${port}`,
    sessionKey: required('BANK_SESSION_KEY'),
    otpUrl,
    otpPublicUrl: process.env['BANK_OTP_PUBLIC_URL'] || otpUrl,
    apiKey: required('BANK_OTP_API_KEY'),
    caller: required('BANK_OTP_CALLER'),
    outbox: process.env['BANK_OUTBOX_URL'],
    temporal: loadClientConnectConfig(),
    log: { level: 'info' },
  }
}

function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

await runProcess({ name: 'bank', configure }, async ({ config, log, registry, parts, health, closing }) => {
  const { otpUrl, otpPublicUrl: issuer, sessionKey, url, outbox } = config
  const { connectionOptions, namespace = 'default' } = config.temporal
  Runtime.install({ shutdownSignals: [] })
  const otp = createOtpService({ url: otpUrl, apiKey: config.apiKey })
  const channelArgs = { 'grpc.max_reconnect_backoff_ms': 2_000 }
  const temporal = new Client({ connection: Connection.lazy({ ...connectionOptions, channelArgs }), namespace })
  closing.defer(() => temporal.connection.close())
  const ledger = createLedger(temporal)
  const app = buildBank({
    ledger,
    redemptions: createRedemptions(temporal),
    otp,
    readProof: createProofReader({ issuer, audience: config.caller, jwksUrl: `${otpUrl}/.well-known/jwks.json` }),
    url,
    otpUrl: issuer,
    outbox,
    sessionKey,
    log,
  })
  healthRoutes(app, { health, registry })
  closing.defer(() => app.close())
  const listeningAt = await app.listen({
    host: '127.0.0.1',
    port: config.port,
    listenTextResolver: () => 'listening',
  })
  log.info({ url: listeningAt }, 'listening')

  parts.report({ temporal: temporalPart(temporal) })
  const connection = await parts.wait('temporal', () => NativeConnection.connect(connectionOptions))
  closing.defer(() => connection.close())
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
  const ended = worker.run()
  closing.defer(async () => {
    if (worker.getState() === 'RUNNING') worker.shutdown()
    await ended
  })
  return { ended, url: listeningAt }
})
