/**
 * M1, M3: generated members are events that the consumer takes, the same ones for the same seed, and as mixed as the
 * rule of the rollout wants them to be tried.
 */
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { undeliverableCondition } from '../domain/email-address.ts'
import { readMemberEvent } from '../kafka/member-event.ts'
import { changes } from '../local/generate/changes.ts'
import { registrations, type GeneratedRecord } from '../local/generate/event.ts'

const COUNT = 20_000

const read = ({ key, value }: GeneratedRecord) => {
  const result = readMemberEvent({
    key: Buffer.from(key),
    value: value && Buffer.from(JSON.stringify(value)),
    offset: '0',
  })
  if ('bad' in result) throw new Error(`${key} is ${result.bad}`)
  return result.change
}
const membersOf = (seed: number, from = 0, count = COUNT) =>
  [...registrations(seed, from, count)].map(read).filter((change) => change.status !== 'erased')

it('a seed makes the same members, in whatever portions; another seed makes others', () => {
  const whole = [...registrations(7, 0, 300)]
  expect([...registrations(7, 0, 100), ...registrations(7, 100, 200)]).toEqual(whole)
  const others = [...registrations(8, 0, 300)]
  expect(
    others.filter(({ value }, index) => value?.data.birthDate === whole[index]!.value?.data.birthDate).length,
  ).toBeLessThan(10)
})

it('no two members share an id, a number or an address', () => {
  const members = membersOf(1)
  const numbers = members.flatMap(({ phone, phoneCountry }) => (phone && phoneCountry === 'JP' ? [phone] : []))
  const addresses = members.flatMap(({ email }) => email ?? [])
  expect(new Set(members.map(({ memberId }) => memberId)).size).toBe(COUNT)
  expect(new Set(numbers).size).toBe(numbers.length)
  expect(new Set(addresses).size).toBe(addresses.length)
})

it('every kind of member is there, in shares of a bank of Japan', () => {
  const members = membersOf(2)
  const share = (is: (member: (typeof members)[number]) => boolean) => members.filter(is).length / COUNT
  expect(share(({ country }) => country === 'JP')).toBeCloseTo(0.93, 1)
  expect(share(({ familyCard }) => familyCard === true)).toBeCloseTo(0.12, 1)
  expect(share(({ phoneCountry }) => phoneCountry === 'JP')).toBeGreaterThan(0.7)
  const isRare: Record<string, (member: (typeof members)[number]) => boolean> = {
    'a minor': ({ birthDate }) => birthDate !== null && birthDate > '2008-11-24',
    'a foreign number': ({ phoneCountry }) => phoneCountry !== null && phoneCountry !== 'JP',
    'no number': ({ phone }) => phone === null,
    'no address': ({ email }) => email === null,
    'no birth date': ({ birthDate }) => birthDate === null,
    'the preference SMS without a number': ({ phone, notificationPreference }) =>
      phone === null && notificationPreference === 'sms',
    ...Object.fromEntries(
      [1, 2, 3].map((condition) => [
        `an address of condition ${condition}`,
        ({ email }) => email !== null && undeliverableCondition(email) === condition,
      ]),
    ),
  }
  for (const [kind, is] of Object.entries(isRare)) {
    expect(share(is), kind).toBeGreaterThan(0)
    expect(share(is), kind).toBeLessThan(0.3)
  }
  for (const language of ['ja', 'en', 'zh-Hans', 'zh-Hant', 'ko']) {
    expect(
      share((member) => member.language === language),
      language,
    ).toBeGreaterThan(0.005)
  }
  const carriers = ['docomo', 'au', 'softbank', 'rakuten', 'mvno', null]
  for (const carrier of carriers) {
    expect(
      share(({ mobileCarrier }) => mobileCarrier === carrier),
      String(carrier),
    ).toBeGreaterThan(0.01)
  }
})

it('changes are the same for a seed in whatever portions, grow in version, and are of every kind', () => {
  const options = { seed: 3, members: 500, from: 0, count: 3_000 }
  const whole = [...changes(options)]
  expect([...changes({ ...options, count: 1_000 }), ...changes({ ...options, from: 1_000, count: 2_000 })]).toEqual(
    whole,
  )
  whole.forEach(read)
  for (const records of Map.groupBy(whole, ({ key }) => key).values()) {
    const versions = records.flatMap(({ value }) => value?.data.version ?? [])
    expect(versions).toEqual(versions.toSorted((a, b) => a - b))
    expect(Math.min(...versions)).toBeGreaterThan(1)
  }
  expect(new Set(whole.map(({ value }) => value?.type))).toEqual(
    new Set(['member.registered', 'member.updated', 'member.withdrawn', undefined]),
  )
  // Who left comes back by registering, not by an update.
  const returned = [...Map.groupBy(whole, ({ key }) => key).values()].flatMap((records) =>
    records.flatMap(({ value }, index) =>
      ['member.withdrawn', undefined].includes(records[index - 1]?.value?.type) && index > 0 ? [value?.type] : [],
    ),
  )
  expect(returned).toContain('member.registered')
  expect(returned).not.toContain('member.updated')
})

it('the command prints records a line each, and says what it wants', async () => {
  const generate = (...args: string[]) => execa('node', ['local/generate/main.ts', ...args], { reject: false })
  const printed = await generate('members', '3', '--seed', '9', '--json')
  expect(printed.stdout.split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([...registrations(9, 0, 3)])
  const refused = await generate('members', 'many')
  expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('whole number') })
})
