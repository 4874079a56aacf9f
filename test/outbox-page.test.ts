/**
 * D9: the outbox shows a message as its member would see it, and what became of it; what stands in a message can do
 * nothing on the page. D5: all texts in all languages side by side.
 */
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../config.ts'
import { buildSimulators } from '../local/simulators/app.ts'
import { createOutbox, type Accepted } from '../local/simulators/outbox.ts'
import { renderOutboxPage } from '../local/simulators/pages/outbox-page.ts'
import { createReceipts } from '../local/simulators/receipts.ts'
import { catalogs } from '../messages/catalog.ts'
import { renderMessage } from '../messages/code-message.ts'
import { attributeOf, elementsOf, hasClass, parseHtml, textsOf, type Element } from './support/html.ts'
import { until } from './support/until.ts'

const settings = loadConfig(['messages'], {}).messages
const app = buildSimulators({
  sendgridApiKey: 'SG.right',
  vonageApplicationId: randomUUID(),
  vonagePublicKey: generateKeyPairSync('rsa', { modulusLength: 2048 })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString(),
  preview: settings,
})
const closing = new AbortController()
afterAll(async () => {
  closing.abort()
  await app.close()
})

const sms: Accepted = { id: 's', channel: 'sms', to: '+819012345678', from: '0354600124', reference: null, text: '1' }
const mail: Accepted = {
  id: 'm',
  channel: 'email',
  to: 'hanako@example.jp',
  from: 'jmb_confirmation@jal.com',
  reference: null,
  subject: 'Your one-time password',
  text: 'One-time password: 123456',
  html: '<!doctype html><title>x</title><b>123456</b>',
}

/** The page of an outbox that took these messages, the last one newest. */
function pageOf(messages: readonly Accepted[], to = '') {
  const outbox = createOutbox()
  for (const message of messages) outbox.add(message)
  const page = renderOutboxPage(outbox.entries(to || undefined, 50), to)
  const { document, errors } = parseHtml(page.html)
  expect(errors).toEqual([])
  return { ...page, document, groups: elementsOf(document, 'section') }
}

const withClass = (node: Element, name: string) => elementsOf(node).filter((element) => hasClass(element, name))

describe('hostile messages', () => {
  const evil = `"'><script>alert(1)</script><img src=x onerror=alert(1)></textarea></iframe></style><!--`

  test('whatever stands in them is text', () => {
    const { document } = pageOf([
      { ...sms, text: `${evil}\n@${evil.replaceAll(' ', '')} #${evil.replaceAll(' ', '')}`, from: evil, to: evil },
      { ...mail, to: `a${evil}`, from: evil, subject: evil, text: evil, html: evil },
    ])
    expect(elementsOf(document, 'script').map((script) => attributeOf(script, 'src'))).toEqual([
      '/outbox/idiomorph.js',
      '/outbox/renew.js',
    ])
    expect(elementsOf(document, 'img')).toEqual([])
    const names = elementsOf(document).flatMap(({ attrs }) => attrs.map(({ name }) => name))
    expect(names.filter((name) => name.startsWith('on'))).toEqual([])
    expect(textsOf(document).filter((text) => text.includes(evil)).length).toBeGreaterThanOrEqual(6)
  })

  test('the HTML of an e-mail stands in a frame that may do nothing, whole', () => {
    const { document } = pageOf([{ ...mail, html: evil }])
    const [frame, ...others] = elementsOf(document, 'iframe')
    expect(others).toEqual([])
    expect(attributeOf(frame!, 'sandbox')).toBe('')
    expect(attributeOf(frame!, 'srcdoc')).toBe(evil)
  })

  test('what was asked for is text as well', () => {
    const { document } = pageOf([], evil)
    expect(elementsOf(document, 'script')).toHaveLength(2)
    expect(textsOf(document)).toContain(`No messages to ${evil} yet.`)
    expect(attributeOf(elementsOf(document, 'input')[0]!, 'value')).toBe(evil)
  })

  test('the policy lets no script run but our own, nothing be fetched, and nobody frame the page', () => {
    const policy = new Map(
      pageOf([])
        .headers['content-security-policy']!.split('; ')
        .map((directive) => [directive.split(' ')[0]!, directive.split(' ').slice(1).join(' ')]),
    )
    expect(policy.get('default-src')).toBe("'none'")
    expect(policy.get('script-src')).toBe("'self'")
    expect(policy.get('frame-ancestors')).toBe("'none'")
    expect([...policy.keys()].filter((name) => name.endsWith('-src')).toSorted()).toEqual([
      'connect-src',
      'default-src',
      'img-src',
      'script-src',
      'style-src',
    ])
  })
})

describe('outbox page', () => {
  test('is a phone or a mailbox for each destination, in the order of their newest messages', () => {
    const { groups } = pageOf([
      { ...sms, to: '+819011111111', text: 'first' },
      mail,
      { ...mail, to: 'HANAKO@example.jp' },
      { ...sms, to: '+819022222222' },
      { ...sms, to: '+819011111111', text: 'second' },
    ])
    expect(groups.map((group) => [attributeOf(group, 'class'), textsOf(elementsOf(group, 'h2')[0]!)[0]])).toEqual([
      ['phone', '+819011111111'],
      ['phone', '+819022222222'],
      ['mailbox', 'HANAKO@example.jp'],
    ])
    expect(withClass(groups[0]!, 'bubble').map((bubble) => textsOf(bubble)[0])).toEqual(['second', 'first'])
    expect(elementsOf(groups[2]!, 'article')).toHaveLength(2)
  })

  test('opens the newest e-mail of a mailbox, and no other', () => {
    const [mailbox] = pageOf([mail, mail, mail]).groups
    const isOpen = elementsOf(mailbox!, 'article').map(
      (article) => attributeOf(elementsOf(article, 'details')[0]!, 'open') !== undefined,
    )
    expect(isOpen).toEqual([true, false, false])
  })

  test('offers the code of an origin-bound message to its site, and of no other message', () => {
    const text = renderMessage({
      channel: 'sms',
      code: '012345',
      purpose: '',
      originHost: 'jal.jp',
      ttlMinutes: 1,
    }).text
    const [phone] = pageOf([{ ...sms, text }]).groups
    expect(withClass(phone!, 'autofill').flatMap(textsOf)).toEqual(['012345', 'From Messages, only on jal.jp'])
    for (const other of ['012345', '@jal.jp #012345\nlast', 'a @jal.jp #012345']) {
      expect(withClass(pageOf([{ ...sms, text: other }]).groups[0]!, 'autofill')).toEqual([])
    }
  })

  test('says how much of an SMS a text takes', () => {
    const sizes = pageOf([
      { ...sms, text: 'a'.repeat(150) },
      { ...sms, text: 'あ'.repeat(71) },
    ]).groups.flatMap((group) => withClass(group, 'about').map((line) => textsOf(line).at(-1)))
    expect(sizes).toContain('1 segment · GSM-7 · 150 of 160, 10 left')
    expect(sizes).toContain('2 segments · UCS-2 · 71 characters')
  })

  test('is marked with the language of each message', () => {
    const { text } = renderMessage({ ...settings, channel: 'sms', language: 'zh-Hant', code: '012345', purpose: '' })
    const [phone] = pageOf([{ ...sms, text }]).groups
    expect(attributeOf(withClass(phone!, 'bubble')[0]!, 'lang')).toBe('zh-Hant')
  })

  test('without messages says what to do', () => {
    const said = textsOf(pageOf([]).document).join(' ')
    expect(said).toContain('No messages yet.')
    expect(said).toContain('npm start')
  })

  test('shows one destination where one is asked for', async () => {
    const page = await app.inject({ url: '/', query: { to: '+819099999999' } })
    expect(page.body).toContain('No messages to +819099999999 yet.')
    expect((await app.inject({ url: '/?to=a&to=b' })).body).toContain('No messages yet.')
  })

  test('has its scripts served to it', async () => {
    const scripts = elementsOf(pageOf([]).document, 'script').map((script) => attributeOf(script, 'src')!)
    for (const url of scripts) {
      const answer = await app.inject({ url })
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/javascript; charset=utf-8'])
      expect(answer.body.length).toBeGreaterThan(100)
    }
  })
})

describe('what became of a message', () => {
  // Nobody listens there: what the provider knows does not depend on who hears of it.
  const receipts = createReceipts(
    { vonage: { webhookUrl: 'http://127.0.0.1:9/', apiKey: 'key', signatureSecret: 'x'.repeat(32) } },
    closing.signal,
  )
  const statesOf = (outbox: ReturnType<typeof createOutbox>) => outbox.entries(undefined, 9).map(({ state }) => state)

  test.each([
    ['accepted', 'Accepted'],
    ['deferred', 'Delayed'],
    ['delivered', 'Delivered'],
    ['failed', 'Not delivered'],
  ] as const)('%s is shown as %s, and the JSON of the message stays as it was', (state, shown) => {
    const outbox = createOutbox()
    outbox.add(sms)(state)
    outbox.add(mail)(state)
    const { document } = parseHtml(renderOutboxPage(outbox.entries(undefined, 9), '').html)
    const states = elementsOf(document).filter((element) => hasClass(element, 'state'))
    expect(states.flatMap(textsOf)).toEqual([shown, shown])
    expect(Object.keys(outbox.list(sms.to, 1)[0]!).toSorted()).toEqual(
      ['at', 'channel', 'from', 'id', 'language', 'reference', 'text', 'to'].toSorted(),
    )
  })

  test('follows the receipts as they are posted; without a webhook it is not known', async () => {
    const outbox = createOutbox()
    receipts.follow(mail, undefined, outbox.add(mail))
    receipts.follow(sms, undefined, outbox.add(sms))
    receipts.follow(sms, [{ status: 'failed', afterMs: 0 }], outbox.add(sms))
    expect(statesOf(outbox)).toEqual(['accepted', 'accepted', 'accepted'])
    await until(async () => statesOf(outbox).every((state, index) => index === 2 || state !== 'accepted'))
    expect(statesOf(outbox)).toEqual(['failed', 'delivered', 'accepted'])
  })

  test('is the last of what happened, in whatever order it is told', async () => {
    const outbox = createOutbox()
    const told: string[] = []
    const mark = outbox.add(sms)
    receipts.follow(
      sms,
      [
        { status: 'deferred', afterMs: 60 },
        { status: 'delivered', afterMs: 0 },
      ],
      (state) => {
        told.push(state)
        mark(state)
      },
    )
    await until(async () => told.length === 2)
    expect(statesOf(outbox)).toEqual(['delivered'])
  })
})

describe('preview', () => {
  const languages = catalogs.map(({ language }) => language)

  test('has every language, channel and purpose, as they would be sent', async () => {
    const { document, errors } = parseHtml((await app.inject('/preview')).body)
    expect(errors).toEqual([])
    const example = { ...settings, code: '012345' }
    const bubbles = elementsOf(document).filter((element) => hasClass(element, 'bubble'))
    expect(bubbles.map((bubble) => textsOf(bubble)[0])).toEqual(
      languages.map((language) => renderMessage({ ...example, channel: 'sms', language, purpose: '' }).text),
    )
    expect(elementsOf(document, 'iframe').map((frame) => attributeOf(frame, 'srcdoc'))).toEqual(
      settings.purposes.flatMap((purpose) =>
        languages.map((language) => renderMessage({ ...example, channel: 'email', language, purpose }).html),
      ),
    )
    expect(elementsOf(document, 'iframe').every((frame) => attributeOf(frame, 'sandbox') === '')).toBe(true)
    expect(elementsOf(document, 'script')).toEqual([])
  })

  test('is the same as a file, with the texts of the configuration that is set', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'preview-'))
    try {
      const write = (env: NodeJS.ProcessEnv) => {
        execFileSync(process.execPath, ['local/preview.ts', join(folder, 'a', 'preview.html')], { env, stdio: 'pipe' })
        return readFileSync(join(folder, 'a', 'preview.html'), 'utf8')
      }
      expect(write({})).toBe((await app.inject('/preview')).body)
      expect(write({ OTP_ORIGIN_HOST: 'miles.example', OTP_CODE_DIGITS: '4' })).toContain('@miles.example #0123<')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
