/**
 * The HTTP API on a whole challenge system: real Postgres, Temporal, worker and simulators; the server in this process.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { pino } from 'pino'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { apiParts } from '../../api/operations-routes.ts'
import { buildServer } from '../../api/server.ts'
import type { ApiDeps } from '../../api/deps.ts'
import { createSentWaiter } from '../../client/sent-waiter.ts'
import { loadConfig } from '../../config.ts'
import { createHealth } from '../../process/health.ts'
import { createParts } from '../../process/parts.ts'
import { startSystem, type System } from './system.ts'

/** Who calls in tests; each has a key of its own. */
export const CALLERS = {
  web: [
    'challenges:start',
    'challenges:read',
    'challenges:verify',
    'challenges:cancel',
    'deliverability:check',
    'page-links:create',
  ],
  other: ['challenges:start', 'challenges:read', 'challenges:verify', 'challenges:cancel', 'page-links:create'],
  support: [
    'challenges:start',
    'challenges:read',
    'challenges:verify',
    'challenges:cancel',
    'challenges:any',
    'deliverability:check',
    'members:read',
    'members:write',
  ],
  reader: ['members:read'],
  operator: ['campaigns:read', 'campaigns:write', 'events:replay'],
  watcher: ['campaigns:read'],
  /** May do nothing of what the API has: the scope is the codec server's. */
  nobody: ['payloads:decode'],
} as const
export type CallerName = keyof typeof CALLERS

export interface ApiCall {
  readonly as?: CallerName
  readonly body?: unknown
  readonly key?: string
  readonly headers?: Record<string, string>
}

export interface Api {
  readonly system: System
  readonly app: FastifyInstance
  readonly keys: Readonly<Record<CallerName, string>>
  /** Makes a server of its own settings on the same system. */
  server(overrides?: Partial<ApiDeps>, env?: Record<string, string>): FastifyInstance
  call(method: 'GET' | 'POST' | 'DELETE', path: string, options?: ApiCall): Promise<LightMyRequestResponse>
  /** Starts a challenge for a new member and reads its code as the member would. */
  challenge(options?: {
    purpose?: string
    as?: CallerName
  }): Promise<{ challengeId: string; memberId: string; code: string }>
  /** Everything the API logged. */
  log(): string
  stop(): Promise<void>
}

/** A problem but for the id of its request: two that say the same tell nothing apart. */
export const saidBy = (answer: LightMyRequestResponse): string => {
  const { requestId, ...said } = answer.json<Record<string, unknown>>()
  if (typeof requestId !== 'string') throw new Error('a problem without the id of its request')
  return JSON.stringify(said)
}

/** Of a server that has begun its work, as `api/main.ts` wires it. */
function healthOf(deps: Pick<ApiDeps, 'sql' | 'temporal'>) {
  const { signal } = new AbortController()
  const parts = createParts(pino({ level: 'silent' }), signal)
  const { schema: _schema, ...rest } = apiParts(deps)
  parts.report(rest)
  const health = createHealth(parts, signal)
  health.begun()
  return health
}

export async function startApi(overrides: Record<string, string> = {}): Promise<Api> {
  const names = Object.keys(CALLERS) as CallerName[]
  const keys = Object.fromEntries(names.map((name) => [name, randomBytes(24).toString('base64url')])) as Record<
    CallerName,
    string
  >
  const httpEnv = {
    OTP_API_KEYS: names
      .map((name) => `${name}:${createHash('sha256').update(keys[name]).digest('hex')}:${CALLERS[name].join('+')}`)
      .join(','),
    OTP_IP_HASH_KEY: randomBytes(32).toString('base64'),
    OTP_PROOF_KEYS: `test-proof:${randomBytes(32).toString('base64')}`,
    OTP_RETURN_URLS: 'web=https://bank.example/return,web=http://127.0.0.1:*,other=https://other.example/',
  }
  const system = await startSystem({ ...httpEnv, ...overrides })
  await system.process('workers/challenge-worker.ts')
  const waiter = createSentWaiter(system.sql)
  const lines: string[] = []
  const log = pino(
    { level: 'trace' },
    new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) }),
  )
  const servers: FastifyInstance[] = []

  const server: Api['server'] = (deps = {}, env = {}) => {
    const { http, callers, pages, webhooks, codes, policy, campaign } = loadConfig(
      ['http', 'callers', 'pages', 'webhooks', 'codes', 'policy', 'campaign'],
      {
        ...system.env,
        ...env,
      },
    )
    const { sql, temporal } = { ...system, ...deps }
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const app = buildServer({
      sql,
      reports: sql,
      temporal,
      waiter,
      http,
      callers,
      pages,
      webhooks,
      codes,
      policy,
      campaign,
      registry,
      health: healthOf({ sql, temporal }),
      log,
      ...deps,
    })
    servers.push(app)
    return app
  }
  const app = server()

  const call: Api['call'] = (method, path, { as = 'web', body, key, headers } = {}) =>
    app.inject({
      method,
      url: path,
      headers: {
        authorization: `Bearer ${keys[as]}`,
        ...(key !== undefined && { 'idempotency-key': key }),
        ...headers,
      },
      ...(body !== undefined && { payload: body as Exclude<InjectOptions['payload'], undefined> }),
    })

  return {
    system,
    app,
    keys,
    server,
    call,
    log: () => lines.join(''),
    async challenge({ purpose = 'view_membership', as = 'web' } = {}) {
      const memberId = await system.addMember()
      const started = await call('POST', '/v1/challenges', { as, body: { memberId, purpose }, key: randomUUID() })
      const [code] = await system.codes(memberId)
      return { challengeId: started.json<{ challengeId: string }>().challengeId, memberId, code: code! }
    },
    async stop() {
      await Promise.all(servers.map((each) => each.close()))
      await system.stop()
    },
  }
}
