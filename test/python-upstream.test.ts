/**
 * U2: "any other language finds the same in one page of documentation": an upstream in Python, with nothing but its SDK
 * and docs/temporal-messages.md, completes a challenge. Without Python 3.10 or newer, or without its packages, nothing here
 * runs, and it says so; in CI that is a failure.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { execa } from 'execa'
import { endedOnceAs, endingOf, executionOf } from './support/endings.ts'
import { bringPython } from './support/python.ts'
import { startSystem, wrongCode, type System } from './support/system.ts'

const EXAMPLE = join(import.meta.dirname, '../examples/python-upstream')
const VECTORS = join(import.meta.dirname, '../temporal/codec-vectors.json')

const python = await bringPython(join(EXAMPLE, 'requirements.txt'))
const didNotRun = 'missing' in python ? `DID NOT RUN: no upstream in Python was tried. ${python.missing}` : undefined
if (didNotRun !== undefined) console.error(didNotRun)
const command = 'command' in python ? python.command : ''

let system: System
beforeAll(async () => {
  if (didNotRun !== undefined) {
    if (process.env['CI']) throw new Error(didNotRun)
    return
  }
  system = await startSystem()
  await system.process('workers/challenge-worker.ts')
})
beforeEach((context) => context.skip(didNotRun !== undefined, didNotRun))
afterAll(() => system?.stop())

/** The upstream as a process of its own, as somebody would type into it. */
function ask(memberId: string, purpose = 'redeem_benefit') {
  const { PATH, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, OTP_CODEC_KEYS } = system.env
  const child = spawn(command, ['-B', 'upstream.py', memberId, purpose], {
    cwd: EXAMPLE,
    env: { PATH, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, OTP_CODEC_KEYS },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    type: (line: string) => child.stdin.write(`${line}\n`),
    /** The next thing that it tells. */
    told: async () => {
      const { value, done } = await lines.next()
      if (done) throw new Error('the upstream has ended')
      return JSON.parse(value) as Record<string, unknown>
    },
    ended: new Promise<number | null>((resolve) => child.once('exit', resolve)),
  }
}

const PYTHON_VECTORS = `
import asyncio, base64, json, sys
from upstream import OtpCodec, Payload
vectors = json.load(open(sys.argv[1]))
codec = OtpCodec(vectors["keys"])
as_payload = lambda it: Payload(metadata={k: v.encode() for k, v in it["metadata"].items()}, data=base64.b64decode(it["data"]))
for vector in vectors["vectors"]:
    plain, encrypted = as_payload(vector["payload"]), as_payload(vector["encrypted"])
    [decrypted] = asyncio.run(codec.decode([encrypted]))
    assert decrypted == plain, vector["what"]
    assert plain.SerializeToString().hex() == vector["serialised"], vector["what"]
    assert asyncio.run(codec.decode(asyncio.run(codec.encode([plain])))) == [plain], vector["what"]
print(len(vectors["vectors"]))
`

it('the codec reads all test vectors', async () => {
  const { stdout } = await execa(command, ['-B', '-c', PYTHON_VECTORS, VECTORS], { cwd: EXAMPLE })
  expect(Number(stdout)).toBeGreaterThan(5)
})

it('asks, reads the status, has a wrong and the right code judged, and gets the result', async () => {
  const memberId = await system.addMember()
  const upstream = ask(memberId)
  const { asked } = await upstream.told()
  const code = await system.until(async () => (await system.codes(memberId))[0])
  await system.until(async () => {
    upstream.type('status')
    const { status } = await upstream.told()
    return (status as { status: string }).status === 'open'
  })
  upstream.type('status')
  expect(await upstream.told()).toEqual({
    status: {
      challengeId: asked,
      purpose: 'redeem_benefit',
      status: 'open',
      channel: 'sms',
      destination: expect.stringMatching(/^\*+-\*+-\d{4}$/),
      expiresAt: expect.any(String),
      attemptsLeft: 5,
    },
  })
  upstream.type('12')
  expect(await upstream.told()).toEqual({ refused: 'invalid_code' })
  upstream.type(wrongCode(code))
  expect(await upstream.told()).toEqual({ verdict: { result: 'wrong_code', attemptsLeft: 4 } })
  upstream.type(code)
  expect(await upstream.told()).toEqual({ verdict: { result: 'verified', verifiedAt: expect.any(String) } })
  expect(await upstream.told()).toEqual({
    result: { challengeId: asked, outcome: 'verified', closedAt: expect.any(String) },
  })
  expect(await upstream.ended).toBe(0)
  expect(await endingOf(system, String(asked))).toEqual(endedOnceAs('verified', 1))
})

it('is told what became of a challenge that could not be sent, was refused, or was cancelled', async () => {
  const nowhere = ask(await system.addMember({ email: null, phone: null }))
  const { asked } = await nowhere.told()
  expect(await nowhere.told()).toEqual({
    failed: 'undeliverable',
    details: [expect.objectContaining({ challengeId: asked, outcome: 'undeliverable' })],
  })

  const nobody = ask('123')
  await nobody.told()
  expect(await nobody.told()).toMatchObject({ result: { outcome: 'refused', reason: 'unknown_member' } })

  const memberId = await system.addMember()
  const taken = ask(memberId)
  await taken.told()
  await executionOf(system, memberId).cancel()
  expect(await taken.told()).toEqual({ failed: 'CancelledError', details: [] })
})
