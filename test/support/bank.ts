/**
 * The demo mileage bank beside a whole challenge system, each as a process of its own: what `npm start` runs, without Kafka.
 */
import { Client } from '@temporalio/client'
import { makeDevelopmentKeys, BANK_CALLER } from '../../local/development-keys.ts'
import { SAMPLE_MEMBERS, type SampleMember } from '../../local/sample-members.ts'
import { freePort } from '../../local/stack/ports.ts'
import { toMobileNumber } from '../../phones/mobile-number.ts'
import { createPerson, type Person, type Seen } from './person.ts'
import { codeOf } from './simulators.ts'
import { startSystem, type System, type WorkerProcess } from './system.ts'

export interface BankGround {
  readonly system: System
  /** As the bank's own: it has no codec of ours. */
  readonly temporal: Client
  readonly bankUrl: string
  readonly apiUrl: string
  /** `OTP_PROOF_KEYS`: whoever has it is the service. */
  readonly proofKeys: string
  startApi(): Promise<WorkerProcess>
  startBank(): Promise<WorkerProcess>
  /** Somebody who has logged in as this member. @returns with My account before them */
  logIn(member: SampleMember): Promise<{ person: Person; account: Seen }>
  /** The code that a member has got, the newest. */
  codeFor(member: SampleMember): Promise<string>
}

/** Starts all but the API and the bank. */
export async function startBankGround(overrides: Record<string, string> = {}): Promise<BankGround> {
  const [apiPort, bankPort] = await Promise.all([freePort(), freePort()])
  const apiUrl = `http://127.0.0.1:${apiPort}`
  const bankUrl = `http://127.0.0.1:${bankPort}`
  const keys = makeDevelopmentKeys()
  const system = await startSystem({
    PORT: String(apiPort),
    OTP_PUBLIC_URL: apiUrl,
    OTP_API_KEYS: keys.apiCallers,
    OTP_IP_HASH_KEY: keys.ipHashKey,
    OTP_PROOF_KEYS: keys.proofKeys,
    OTP_RETURN_URLS: `${BANK_CALLER}=${bankUrl}`,
    ...overrides,
  })
  await addSampleMembers(system)
  await system.process('workers/challenge-worker.ts')
  const bank = {
    PATH: system.env['PATH']!,
    TEMPORAL_ADDRESS: system.env['TEMPORAL_ADDRESS']!,
    TEMPORAL_NAMESPACE: system.namespace,
    BANK_PORT: String(bankPort),
    BANK_OTP_URL: apiUrl,
    BANK_OTP_CALLER: BANK_CALLER,
    BANK_OTP_API_KEY: keys.bankApiKey,
    BANK_SESSION_KEY: keys.bankSessionKey,
  }
  return {
    system,
    temporal: new Client({ connection: system.temporal.connection, namespace: system.namespace }),
    bankUrl,
    apiUrl,
    proofKeys: keys.proofKeys,
    startApi: () => system.process('api/main.ts'),
    startBank: () => system.process('local/bank/main.ts', bank),
    async logIn(member) {
      const person = createPerson()
      const account = await person.submit(await person.get(bankUrl), '/login', { member })
      return { person, account }
    },
    codeFor: (member) =>
      system.until(async () => {
        const messages = (await Promise.all(destinationsOf(member).map((to) => system.simulators.messages(to)))).flat()
        const [newest] = messages.toSorted((a, b) => b.at.localeCompare(a.at))
        return newest && codeOf(newest)
      }),
  }
}

/** Where messages to a member arrive: number and address, as far as there is one. */
export function destinationsOf(member: SampleMember): string[] {
  const { email, mobilePhone, country } = SAMPLE_MEMBERS[member]
  return [email, e164(mobilePhone, country)].filter((to) => to !== null)
}

/** In one go; the tests of the consumer show how they come from Kafka. */
async function addSampleMembers({ sql }: System): Promise<void> {
  for (const member of Object.values(SAMPLE_MEMBERS)) {
    const { memberId, email, mobilePhone, mobileCarrier, country, language, notificationPreference } = member
    const phone = e164(mobilePhone, country)
    await sql`
      insert into members (member_id, version, status, email, phone, phone_country, mobile_carrier, country, language,
        notification_preference, kafka_partition, kafka_offset)
      values (${memberId}, 1, 'active', ${email}, ${phone}, ${phone && country}, ${mobileCarrier}, ${country}, ${language},
        ${notificationPreference}, 0, 0)`
  }
}

const e164 = (phone: string | null, country: string): string | null =>
  phone === null ? null : (toMobileNumber(phone, country)?.e164 ?? null)
