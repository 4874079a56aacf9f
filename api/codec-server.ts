/**
 * The codec server as a process. Holds the codec keys, and no other secret.
 */
import { codecServerCallers, ConfigError, loadConfig, PROCESS_SECTIONS, type Config } from '../config.ts'
import { createLog } from '../logging/create-log.ts'
import { buildCodecServer } from '../temporal/codec-server.ts'
import { createPayloadCodec } from '../temporal/payload-codec.ts'
import { codecCallers } from './codec-callers.ts'

const NAME = 'codec-server'
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

async function main() {
  const config: Config<'codecServer' | 'log'> & Partial<Config<'callers'>> = loadConfig([
    ...PROCESS_SECTIONS[NAME],
    ...codecServerCallers(),
  ])
  const { codecServer, callers } = config
  const log = createLog({ name: NAME, level: config.log.level })
  const { host, port, origins } = codecServer
  if (callers === undefined && !LOOPBACK.has(host)) {
    log.warn('whoever reaches this reads all payloads: set OTP_CODEC_SERVER_CALLERS=known')
  }
  const app = buildCodecServer({
    codec: createPayloadCodec(codecServer.keys),
    origins,
    log,
    ...(callers && { authenticate: codecCallers(callers) }),
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void app.close())
  const url = await app.listen({ host, port })
  log.info({ url }, 'ready')
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(error instanceof ConfigError ? 2 : 1)
}
