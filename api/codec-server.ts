/**
 * The codec server as a process. Holds the codec keys, and no other secret.
 */
import { codecServerCallers, loadConfig, PROCESS_SECTIONS, type Config } from '../config.ts'
import { healthRoutes } from '../process/health.ts'
import { runProcess } from '../process/run.ts'
import { buildCodecServer } from '../temporal/codec-server.ts'
import { createPayloadCodec } from '../temporal/payload-codec.ts'
import { codecCallers } from './codec-callers.ts'

const NAME = 'codec-server'
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

const configure = (): Config<'codecServer' | 'log'> & Partial<Config<'callers'>> =>
  loadConfig([...PROCESS_SECTIONS[NAME], ...codecServerCallers()])

await runProcess({ name: NAME, configure }, async ({ config, log, registry, health, closing }) => {
  const { codecServer, callers } = config
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
  healthRoutes(app, { health, registry })
  closing.defer(() => app.close())
  const url = await app.listen({ host, port, listenTextResolver: () => 'listening' })
  return { url }
})
