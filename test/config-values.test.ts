/**
 * F13: white space around a value is no part of it, whatever wrote it there; what hides within a value is refused.
 */
import { describe, expect, it } from 'vitest'
import { codecServerCallers, loadConfig, PROCESS_SECTIONS, readKeyIds, type sections } from '../config.ts'
import { temporalAddress } from '../temporal/connect.ts'
import { PRODUCTION } from './support/production-environment.ts'

const ALL = [...new Set<keyof typeof sections>(Object.values(PROCESS_SECTIONS).flat())]

describe.each([
  ['a line end', '', '\n'],
  ['that of Windows', '', '\r\n'],
  ['spaces', '  ', ' '],
  ['a tab', '\t', '\t'],
  ['a byte order mark', '\uFEFF', ''],
  ['a no-break space', '', '\u00A0'],
])('%s around a value', (_, before, after) => {
  const around = (value: string) => `${before}${value}${after}`

  it.each(Object.keys(PRODUCTION))('of %s changes nothing', (name) => {
    const config = loadConfig(ALL, { ...PRODUCTION, [name]: around(PRODUCTION[name]!) })
    expect(JSON.stringify(config, bytesToo)).toBe(JSON.stringify(loadConfig(ALL, PRODUCTION), bytesToo))
  })

  it('changes nothing of what is read beside the sections', () => {
    expect(codecServerCallers({ OTP_CODEC_SERVER_CALLERS: around('known') })).toEqual(['callers'])
    expect(readKeyIds('OTP_CODEC_KEYS', { OTP_CODEC_KEYS: around(PRODUCTION['OTP_CODEC_KEYS']!) })).toEqual([
      'codec-2026',
    ])
    const env = {
      TEMPORAL_ADDRESS: around('temporal:7233'),
      TEMPORAL_NAMESPACE: around('otp'),
      TEMPORAL_TLS: around('true'),
    }
    expect(temporalAddress(env)).toMatchObject({ connectionOptions: { address: 'temporal:7233' }, namespace: 'otp' })
    expect(temporalAddress(env).connectionOptions.tls).toBeTruthy()
  })
})

/** Key rings are maps, and keys are objects that show nothing of themselves. */
const bytesToo = (_: string, value: unknown) => (value instanceof Map ? [...value] : value)

describe('within a value', () => {
  it.each(['\n', '\r', '\0', '\u001B', '\u200B', '\u2028', '\uFEFF'])('%j is refused', (character) => {
    const secret = PRODUCTION['VONAGE_SIGNATURE_SECRET']!
    const load = () =>
      loadConfig(['webhooks'], { ...PRODUCTION, VONAGE_SIGNATURE_SECRET: secret.replace(/^../, `$&${character}`) })
    expect(load).toThrow('VONAGE_SIGNATURE_SECRET: wants no control characters')
    expect(load).not.toThrow(secret.slice(4))
  })

  it('the lines of a PEM are its own', () => {
    const crlf = PRODUCTION['VONAGE_PRIVATE_KEY']!.replaceAll('\n', '\r\n')
    expect(
      loadConfig(['providers'], { ...PRODUCTION, VONAGE_PRIVATE_KEY: crlf }).providers.vonage.privateKey,
    ).toContain('BEGIN')
  })

  it('a zero-width space at the end is seen too', () => {
    const load = () =>
      loadConfig(['providers'], { ...PRODUCTION, SENDGRID_API_KEY: `${PRODUCTION['SENDGRID_API_KEY']!}\u200B` })
    expect(load).toThrow('SENDGRID_API_KEY: ')
  })
})
