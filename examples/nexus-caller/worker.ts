/**
 * The worker of `workflows.ts`. Reads where Temporal is as the SDK does (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE …), and
 * the keys of the codec from OTP_CODEC_KEYS.
 */
import { loadClientConnectConfig } from '@temporalio/envconfig'
import { NativeConnection, Worker } from '@temporalio/worker'
import { otpCodec } from 'one-time-password/codec'

const { connectionOptions, namespace = 'default' } = loadClientConnectConfig()
const connection = await NativeConnection.connect(connectionOptions)
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue: 'memberships',
  workflowsPath: new URL('workflows.ts', import.meta.url).pathname,
  plugins: [otpCodec(process.env['OTP_CODEC_KEYS'] ?? '')],
})
const running = worker.run()
console.log(JSON.stringify({ msg: 'ready' }))
await running
await connection.close()
