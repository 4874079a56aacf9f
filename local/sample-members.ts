/**
 * Members to try things with. Ids, versions and times are fixed, so producing them again changes nothing.
 */
import type { MemberData } from '../kafka/member-event.ts'

type Data = Required<MemberData>

/** A resident of Japan with e-mail and a phone, who prefers e-mail; the samples say where they differ. */
const ordinary = {
  version: 1,
  mobileCarrier: 'docomo',
  birthDate: '1985-06-15',
  familyCard: false,
  country: 'JP',
  language: 'ja',
  notificationPreference: 'email',
} as const

/** The first nine are named in `.local/endpoints.json`; the others make the sample rounder. */
const samples = {
  sms: {
    memberId: '100000001',
    email: 'sachiko@example.jp',
    mobilePhone: '090-1000-0001',
    notificationPreference: 'sms',
  },
  email: { memberId: '100000002', email: 'eiji@example.jp', mobilePhone: '080-1000-0002' },
  softbank: {
    memberId: '100000003',
    email: 'sora@example.jp',
    mobilePhone: '070-1000-0003',
    mobileCarrier: 'softbank',
    notificationPreference: 'sms',
  },
  abroad: {
    memberId: '100000004',
    email: 'abigail@example.com',
    mobilePhone: '+1 212-555-0104',
    mobileCarrier: null,
    country: 'US',
    language: 'en',
  },
  familyCard: { memberId: '100000005', email: 'fumiko@example.jp', mobilePhone: '090-1000-0005', familyCard: true },
  minor: { memberId: '100000006', email: 'minato@example.jp', mobilePhone: '090-1000-0006', birthDate: '2014-02-28' },
  noPhone: {
    memberId: '100000007',
    email: 'noriko@example.jp',
    mobilePhone: null,
    mobileCarrier: null,
    notificationPreference: 'sms',
  },
  undeliverableEmail: { memberId: '100000008', email: 'ab..cd@example.jp', mobilePhone: null, mobileCarrier: null },
  unreachable: { memberId: '100000009', email: null, mobilePhone: null, mobileCarrier: null },

  phoneOnly: { memberId: '100000010', email: null, mobilePhone: '060-1000-0010', mobileCarrier: 'rakuten' },
  emailOnly: { memberId: '100000011', email: 'emi@example.jp', mobilePhone: null, mobileCarrier: null },
  undeliverableCondition1: { memberId: '100000012', email: '.abcd@example.jp', mobilePhone: null, mobileCarrier: null },
  undeliverableCondition3: { memberId: '100000013', email: 'ab[cd@example.jp', mobilePhone: null, mobileCarrier: null },
  undeliverableButPhone: {
    memberId: '100000014',
    email: 'abcd.@example.jp',
    mobilePhone: '080-1000-0014',
    mobileCarrier: 'au',
  },
  english: { memberId: '100000015', email: 'ellen@example.com', mobilePhone: '090-1000-0015', language: 'en' },
  simplifiedChinese: {
    memberId: '100000016',
    email: 'xiaoming@example.com',
    mobilePhone: '090-1000-0016',
    language: 'zh-Hans',
  },
  traditionalChinese: {
    memberId: '100000017',
    email: 'meiling@example.com',
    mobilePhone: '0912-345-017',
    mobileCarrier: null,
    country: 'TW',
    language: 'zh-Hant',
  },
  korean: {
    memberId: '100000018',
    email: 'minjun@example.com',
    mobilePhone: '010-1000-0018',
    mobileCarrier: null,
    country: 'KR',
    language: 'ko',
  },
  landline: { memberId: '100000019', email: 'rin@example.jp', mobilePhone: '03-1000-0019', mobileCarrier: null },
} satisfies Record<string, Omit<Data, keyof typeof ordinary> & Partial<Data>>

export type SampleMember = keyof typeof samples

/** What the membership system knows of each, by the sample's name. */
export const SAMPLE_MEMBERS = Object.fromEntries(
  Object.entries(samples).map(([name, sample]) => [name, { ...ordinary, ...sample }]),
) as Readonly<Record<SampleMember, Data>>
