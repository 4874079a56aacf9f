/**
 * O2: the CLI `otp`, as a process: what it prints, for people and for scripts, and the exit codes that scripts go by.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as sendRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CampaignStatus } from '../domain/campaign.ts'
import { campaignWorkflowId } from '../workflows/ids.ts'
import { startApi, type Api } from './support/api.ts'
import { addMembers, planOf, sampleMember } from './support/campaigns.ts'

const PROGRAM = join(import.meta.dirname, '..', 'cli', 'otp.mjs')
let api: Api
let url: string
let folder: string
beforeAll(async () => {
  api = await startApi({ OTP_ENFORCE_AFTER_SECONDS: '1' })
  await api.system.process('workers/campaign-worker.ts')
  url = await api.app.listen({ host: '127.0.0.1', port: 0 })
  folder = await mkdtemp(join(tmpdir(), 'otp-cli-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await api?.stop()
})

const started = new Set<string>()
afterEach(async () => {
  for (const campaignId of started) {
    await otp('campaign', 'abort', campaignId, '--why', 'the test is over')
    await api.system.temporal.workflow
      .getHandle(campaignWorkflowId(campaignId))
      .result()
      .catch(() => {})
  }
  started.clear()
  await api.system.sql`truncate members, enrollments, reachability, exemptions`
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const environment = (env: Record<string, string>) => ({
  PATH: process.env['PATH']!,
  OTP_API_URL: url,
  OTP_API_KEY: api.keys.operator,
  NO_COLOR: '1',
  ...env,
})
const run = (args: readonly string[], env: Record<string, string> = {}) =>
  spawn(process.execPath, [PROGRAM, ...args], { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] })

async function endOf(child: ReturnType<typeof run>): Promise<Ended> {
  const [out, err] = [child.stdout, child.stderr].map((stream) => {
    const chunks: string[] = []
    stream.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
    return chunks
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out: out!.join(''), err: err!.join('') }
}
const otp = (...args: string[]) => endOf(run(args))
const otpWith = (env: Record<string, string>, ...args: string[]) => endOf(run(args, env))
const newId = () => `c-${randomUUID().slice(0, 8)}`
const members = (count: number) =>
  addMembers(
    api.system,
    Array.from({ length: count }, (_, index) => sampleMember(index)),
  )
const planFile = async (plan: object) => {
  const file = join(folder, `${randomUUID()}.json`)
  await writeFile(file, JSON.stringify(plan))
  return file
}
async function start(plan: object, ...args: string[]) {
  const campaignId = newId()
  started.add(campaignId)
  const ended = await otp('campaign', 'start', campaignId, '--plan', await planFile(plan), ...args)
  return { campaignId, ...ended }
}
const SLOW = planOf([50, 100], { bakeSeconds: 3_600 })
const json = <T = CampaignStatus>({ out }: Ended) => JSON.parse(out) as T

describe('what cannot be used ends with 2, and says what it wants', () => {
  it.each([
    [['campaign', 'plan'], 'missing required argument'],
    [['campaign', 'paws', 'x'], 'Did you mean pause?'],
    [['campaign', 'pause', 'x'], "required option '--why <text>'"],
    [['campaign', 'plan', 'x', '--waves', '1,five'], 'rising, such as 1,5,25,100'],
    [['campaign', 'plan', 'x', '--bake', '24'], 'a duration such as 24h'],
    [['campaign', 'plan', 'x', '--bake', '-1h'], 'a duration such as 24h'],
    [['campaign', 'plan', 'x', '--quiet', '9pm'], 'such as 21:00-09:00'],
    [['campaign', 'plan', 'x', '--rate', 'fast'], 'members a minute'],
    [['campaign', 'plan', 'x', '--plan', 'a.json', '--rate', '5'], 'cannot be used with'],
    [['campaign', 'plan', 'x', '--plan', '/does/not/exist.json'], '/does/not/exist.json cannot be read (ENOENT)'],
    [['campaign', 'exempt', 'x', '1', '--why', 'y', '--until', 'friday'], 'a day as 2027-01-31'],
    [['campaign', 'exempt', 'x', '1', '--why', 'y', '--until', '2027-01-31T00:00:00'], 'a day as 2027-01-31'],
    [['campaign', 'rate', 'x', '1.5', '--why', 'y'], 'members a minute'],
    [['nonsense'], 'unknown command'],
  ])('%j', async (args, words) => {
    const { code, out, err } = await otp(...args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(words)
  })

  it('also where the API says so, by the name of the field', async () => {
    const file = await planFile({ waves: [{ percent: 5 }, { percent: 1 }] })
    const { code, err } = await otp('campaign', 'plan', newId(), '--plan', file)
    expect(code).toBe(2)
    expect(err).toContain('plan/waves/1/percent: wants more than the wave before')
  })

  it('also a plan that is no JSON', async () => {
    const file = join(folder, 'broken.json')
    await writeFile(file, '{"waves":')
    expect(await otp('campaign', 'start', newId(), '--plan', file)).toMatchObject({
      code: 2,
      err: expect.stringContaining('is not JSON'),
    })
  })

  it('also half a configuration', async () => {
    const { code, err } = await otpWith({ OTP_API_KEY: '' }, 'campaign', 'list')
    expect(code).toBe(2)
    expect(err).toContain('OTP_API_KEY: goes with OTP_API_URL')
  })
})

describe('what cannot be reached ends with 3', () => {
  it('where nobody listens', async () => {
    const { code, err } = await otpWith({ OTP_API_URL: 'http://127.0.0.1:9' }, 'campaign', 'list')
    expect(code).toBe(3)
    expect(err).toContain('cannot be reached')
    expect(err).toContain('npm start')
  })

  it('where somebody else listens', async () => {
    const other = createServer((_request, response) => response.end('<h1>Welcome</h1>'))
    await once(other.listen(0, '127.0.0.1'), 'listening')
    const { port } = other.address() as AddressInfo
    const { code, err } = await otpWith({ OTP_API_URL: `http://127.0.0.1:${port}` }, 'campaign', 'list')
    other.close()
    expect(code).toBe(3)
    expect(err).toContain('is not this API')
  })

  it('after it has tried again with the same key: a command whose answer was lost counts once', async () => {
    const { campaignId } = await start(SLOW)
    const keys: unknown[] = []
    let answers = 0
    // Carries out every request, and loses its first answer.
    const lossy = createServer((request, response) => {
      void (async () => {
        let body = ''
        for await (const chunk of request) body += String(chunk)
        keys.push(request.headers['idempotency-key'])
        const answer = await api.app.inject({
          method: 'POST',
          url: request.url!,
          payload: body,
          headers: { ...request.headers },
        })
        if (++answers === 1) request.socket.destroy()
        else response.writeHead(answer.statusCode, { 'content-type': 'application/json' }).end(answer.body)
      })()
    })
    await once(lossy.listen(0, '127.0.0.1'), 'listening')
    const { port } = lossy.address() as AddressInfo
    const env = { OTP_API_URL: `http://127.0.0.1:${port}` }
    const ended = await otpWith(env, 'campaign', 'rate', campaignId, '7', '--why', 'a test')
    lossy.close()
    expect([ended.code, new Set(keys).size, keys.length]).toEqual([0, 1, 2])
    const { log } = json<{ log: { event: string }[] }>(await otp('campaign', 'show', campaignId, '--json'))
    expect(log.filter(({ event }) => event === 'rate_changed')).toHaveLength(1)
  })
})

describe('what is refused ends with 1, and says what to do', () => {
  it.each<[string, Record<string, string>, string[], string]>([
    ['an unknown key', { OTP_API_KEY: 'wrong' }, ['list'], 'OTP_API_KEY'],
    ['a campaign that is none', {}, ['show', 'nobody'], 'otp campaign list'],
    ['a command to none', {}, ['pause', 'nobody', '--why', 'x'], 'otp campaign list'],
  ])('%s', async (_what, env, args, words) => {
    const { code, out, err } = await otpWith(env, 'campaign', ...args)
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain(words)
  })

  it('a key without the scope', async () => {
    const { campaignId } = await start(SLOW)
    const env = { OTP_API_KEY: api.keys.watcher }
    expect(await otpWith(env, 'campaign', 'pause', campaignId, '--why', 'x')).toMatchObject({
      code: 1,
      err: expect.stringContaining('campaigns:write'),
    })
    expect((await otpWith(env, 'campaign', 'show', campaignId)).code).toBe(0)
  })

  it('a campaign that has another plan, one beside another, and a command that it cannot obey', async () => {
    const { campaignId } = await start(SLOW)
    expect(await otp('campaign', 'start', campaignId, '--waves', '100')).toMatchObject({ code: 1 })
    const second = await otp('campaign', 'start', newId())
    expect([second.code, second.err]).toEqual([1, expect.stringContaining('other_campaign')])
    const complete = await otp('campaign', 'complete', campaignId, '--why', 'x')
    expect([complete.code, complete.err]).toEqual([1, expect.stringContaining('waves_remain')])
  })
})

describe('an operator', () => {
  it('sees in a table whom each wave would take, and the plan of the options with its defaults', async () => {
    await members(200)
    const campaignId = newId()
    const args = [
      'campaign',
      'plan',
      campaignId,
      '--waves',
      '10, 100%',
      '--bake',
      '90m',
      '--quiet',
      'none',
      '--rate',
      'none',
    ]
    const { code, out, err } = await otp(...args)
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain(`${campaignId}: 200 members; nothing was changed`)
    for (const words of ['wave 1 (10 %)', 'wave 2 (100 %)', 'to be announced', 'excluded: family card', 'no limit']) {
      expect(out).toContain(words)
    }
    const { plan } = json<{ plan: object }>(await otp(...args, '--json'))
    expect(plan).toMatchObject({
      ratePerMinute: 0,
      quietHours: null,
      waves: [
        { percent: 10, bakeSeconds: 5_400, gate: { minMessages: 20 } },
        { percent: 100, bakeSeconds: 5_400 },
      ],
    })
  })

  it('starts what the dry run showed, with its very answer as the plan', async () => {
    const campaignId = newId()
    const dryRun = await otp('campaign', 'plan', campaignId, '--waves', '50', '--json')
    started.add(campaignId)
    const file = await planFile(json<object>(dryRun))
    const { code, out } = await otp('campaign', 'start', campaignId, '--plan', file)
    expect(code).toBe(0)
    expect(out).toContain(`${url}/campaigns/${campaignId}`)
    const { plan } = json<{ plan: object }>(await otp('campaign', 'show', campaignId, '--json'))
    expect(plan).toEqual(json<{ plan: object }>(dryRun).plan)
  })

  it('follows a campaign to its last wave, in lines and as a JSON object a line', async () => {
    await members(60)
    const campaignId = newId()
    started.add(campaignId)
    const file = await planFile(planOf([20, 100]))
    const [lines, objects] = await Promise.all([
      otp('campaign', 'start', campaignId, '--plan', file, '--watch'),
      api.system
        .until(async () => (await api.call('GET', `/v1/campaigns/${campaignId}`, { as: 'watcher' })).statusCode === 200)
        .then(() => otp('campaign', 'watch', campaignId, '--json', '--every', '200ms')),
    ])
    expect([lines.code, objects.code]).toEqual([0, 0])
    expect(lines.out).toContain('started by operator')
    expect(lines.out.trimEnd().split('\n').at(-1)).toBe(
      `${campaignId}: running, wave 2 of 2: standing; 60 of 60 members taken are settled`,
    )
    const told = objects.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as CampaignStatus & { log: object[] })
    expect(told.at(-1)).toMatchObject({ campaignId, phase: 'standing', wave: 2 })
    const events = told.flatMap(({ log }) => log).map((entry) => (entry as { event: string }).event)
    expect(events.filter((event) => event === 'wave_opened')).toHaveLength(2)
    expect(events[0]).toBe('started')
  })

  it('goes on following while the API is away, and is told so (F12)', async () => {
    const { campaignId } = await start(SLOW)
    const proxy = await startProxy()
    const watching = run(['campaign', 'watch', campaignId, '--every', '200ms'], { OTP_API_URL: proxy.url })
    const ended = endOf(watching)
    await once(watching.stdout, 'data')
    proxy.answer('nothing')
    const [told] = (await once(watching.stderr, 'data')) as [Buffer]
    expect(String(told)).toContain('cannot be reached')
    expect(String(told)).not.toContain('carried out')
    proxy.answer('as the API')
    await otp('campaign', 'abort', campaignId, '--why', 'enough')
    expect(await ended).toMatchObject({ code: 1, err: expect.stringContaining('was aborted') })
    await proxy.stop()
  })

  it.each([502, 504] as const)('does not notice that a proxy answered %i once (F12)', async (status) => {
    const proxy = await startProxy()
    proxy.answer(status)
    expect(await otpWith({ OTP_API_URL: proxy.url }, 'campaign', 'list')).toMatchObject({ code: 0, err: '' })
    await proxy.stop()
  })

  /** A proxy before the API, which passes everything but where it is told otherwise; an error once. */
  const startProxy = async () => {
    let next: 'as the API' | 'nothing' | 502 | 504 = 'as the API'
    const passOn = (request: IncomingMessage, response: ServerResponse) => {
      const { method, headers } = request
      const onward = sendRequest(`${url}${request.url}`, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      request.pipe(onward)
    }
    const server = createServer((request, response) => {
      if (next === 'as the API') passOn(request, response)
      else if (next === 'nothing') request.socket.destroy()
      else {
        response.writeHead(next, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>')
        next = 'as the API'
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      answer: (how: typeof next) => (next = how),
      stop: async () => {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      },
    }
  }

  it('who follows one that is aborted hears so, and the exit code says it', async () => {
    const { campaignId } = await start(SLOW)
    const watching = run(['campaign', 'watch', campaignId, '--every', '200ms'])
    const ended = endOf(watching)
    await once(watching.stdout, 'data')
    await otp('campaign', 'abort', campaignId, '--why', 'enough')
    expect(await ended).toMatchObject({ code: 1, err: expect.stringContaining('was aborted') })
  })

  it('may stop following at any time: the campaign goes on', async () => {
    const { campaignId } = await start(SLOW)
    const watching = run(['campaign', 'watch', campaignId])
    const ended = endOf(watching)
    await once(watching.stdout, 'data')
    watching.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130, err: '' })
    expect(json(await otp('campaign', 'show', campaignId, '--json'))).toMatchObject({ state: 'running' })
  })

  it('pauses, resumes, changes the rate, exempts and aborts, each recorded with why', async () => {
    await members(40)
    const { campaignId } = await start(SLOW)
    const { memberId } = sampleMember(1)
    const command = async (...args: string[]) => json(await otp('campaign', ...args, '--json', '--why', 'a reason'))
    expect(await command('pause', campaignId)).toMatchObject({ state: 'paused', pauseReason: 'a reason' })
    expect((await otp('campaign', 'show', campaignId)).out).toContain('paused')
    expect(await command('resume', campaignId)).toMatchObject({ state: 'running' })
    expect(await command('rate', campaignId, '12')).toMatchObject({ ratePerMinute: 12 })
    await command('exempt', campaignId, memberId, '--until', '2031-02-01')
    const member = json<object>(await otp('campaign', 'show', campaignId, '--member', memberId, '--json'))
    // A day begins at midnight in Tokyo.
    expect(member).toMatchObject({ memberId, exemption: { until: '2031-01-31T15:00:00.000Z', why: 'a reason' } })
    expect(await command('abort', campaignId, '--rollback')).toMatchObject({ state: 'aborted' })
    await api.system.until(async () => json(await otp('campaign', 'show', campaignId, '--json')).phase === 'ended')
    const { out } = await otp('campaign', 'show', campaignId)
    for (const words of [
      'aborted by operator: a reason',
      'rate changed by operator: a reason',
      'rolled back by campaign',
    ]) {
      expect(out).toContain(words)
    }
  })

  it('is shown nothing of where messages go', async () => {
    await members(30)
    const { campaignId } = await start(planOf([100]))
    await otp('campaign', 'watch', campaignId)
    const shown = [await otp('campaign', 'show', campaignId), await otp('campaign', 'list')]
    for (let index = 0; index < 30; index++) {
      const { memberId } = sampleMember(index)
      if (index % 10 === 0) shown.push(await otp('campaign', 'show', campaignId, '--member', memberId))
    }
    const text = shown.map(({ out, err }) => out + err).join('')
    expect(shown.every(({ code }) => code === 0)).toBe(true)
    expect(text).not.toMatch(/\+?81\s?90|090\d|@example/)
  })
})
