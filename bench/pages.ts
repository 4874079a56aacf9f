/**
 * `npm run bench:pages`: what the members' pages take at a steady rate, beside a bare route that gives the same bytes. What
 * it measures, and what it found, stands in `docs/benchmarks.md`.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connect } from '../postgres/connect.ts'
import { createCpuMeter, shareOfOthers } from './measure/cpu.ts'
import { percentile } from './measure/statistics.ts'
import { addMembers } from './members.ts'
import { runOpenLoop, type Asked } from './pages/open-loop.ts'
import { openPages } from './pages/visitors.ts'
import { table } from './report.ts'
import { startStack } from './stack.ts'

const BARE = 'bare route'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '20' },
    visitors: { type: 'string', default: '100' },
    json: { type: 'string' },
  },
})
const rate = Number(values.rate)
const seconds = Number(values.seconds)

const stack = await startStack({ withApi: true, report: (line) => console.log(line) })
const sql = connect(stack.config.postgres.url, { poolSize: 1, name: 'bench' })
const bare = fork(join(import.meta.dirname, 'pages', 'bare-page.ts'))
try {
  const [bareUrl] = (await once(bare, 'message')) as [string]
  await addMembers(sql, 1_000)
  console.log('opening pages')
  const visitors = await openPages(stack.api, stack.apiKey, Number(values.visitors))
  const [someone] = visitors
  const page = await fetch(`${stack.api}${someone!.path}`, { headers: { cookie: someone!.cookie } })
  bare.send(await page.text())

  /** Of four pages two are code entry, which reads its visit and its challenge; every other request is the bare route's. */
  const next = (index: number): Asked => {
    if (index % 2 === 1) return { name: BARE, url: bareUrl }
    const { cookie, path, link } = visitors[Math.floor(index / 8) % visitors.length]!
    const headers = { cookie }
    switch (Math.floor(index / 2) % 4) {
      case 0:
        return { name: 'link', url: `${stack.api}${link}`, headers }
      case 1:
        return { name: 'help', url: `${stack.api}/help`, headers }
      default:
        return { name: 'code entry', url: `${stack.api}${path}`, headers }
    }
  }
  console.log(`${rate} pages a second for ${seconds} s, and as many of a bare route between them`)
  const cpu = createCpuMeter({ ...stack.pids, [BARE]: bare.pid! })
  const before = cpu?.read()
  const began = performance.now()
  const { times, errors, latestMs } = await runOpenLoop({ perSecond: 2 * rate, runUpSeconds: 2, seconds, next })
  const wholeSeconds = (performance.now() - began) / 1_000
  const after = cpu?.read()

  const at = (name: string, share: number) => percentile(times.get(name) ?? [], share)
  const figures = [...times].map(([name, each]) => ({
    name,
    requests: each.length,
    p50: at(name, 0.5),
    p99: at(name, 0.99),
    p50OfBare: at(name, 0.5) / at(BARE, 0.5),
    p99OfBare: at(name, 0.99) / at(BARE, 0.99),
  }))
  const others = before && after && shareOfOthers(before, after, wholeSeconds)
  const cpuMs = (name: string) =>
    before && after && ((after.get(name)! - before.get(name)!) * 1_000) / (rate * wholeSeconds)
  const number = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? '–'
  console.log(
    `\n${table(
      ['', 'requests', 'p50 ms', 'p99 ms', 'p50 of bare', 'p99 of bare'],
      figures.map((one) => [
        one.name,
        String(one.requests),
        number(one.p50, 2),
        number(one.p99, 2),
        number(one.p50OfBare, 1),
        number(one.p99OfBare, 1),
      ]),
    )}`,
  )
  console.log(
    `\nCPU a page: API ${number(cpuMs('api'), 2)} ms, Postgres ${number(cpuMs('postgres'), 2)} ms; a bare route's ${number(cpuMs(BARE), 2)} ms`,
    `\nothers used ${number(others === undefined ? undefined : others * 100, 0)} % of ${availableParallelism()} cores`,
    `(load ${number(loadavg()[0], 1)}); no request left later than ${number(latestMs, 0)} ms after its time; errors: ${errors.length}`,
  )
  if (values.json !== undefined) {
    await writeFile(
      values.json,
      `${JSON.stringify({ rate, seconds, figures, errors, others, latestMs }, undefined, 2)}\n`,
    )
  }
  for (const error of new Set(errors)) console.error(`failed: ${error}`)
  if (errors.length > 0) process.exitCode = 1
} finally {
  bare.disconnect()
  await sql.end({ timeout: 2 })
  await stack.stop()
}
