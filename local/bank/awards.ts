/**
 * What miles are redeemed for.
 */
export const AWARDS = {
  lounge: { miles: 1_500, ja: '空港ラウンジご利用券', en: 'Airport lounge voucher' },
  flight: {
    miles: 12_000,
    ja: '国内線特典航空券 東京（羽田）– 札幌（新千歳）',
    en: 'Domestic award ticket, Tokyo (Haneda) – Sapporo (New Chitose)',
  },
  points: { miles: 10_000, ja: '電子ポイント 10,000 ポイント', en: '10,000 electronic points' },
} as const

export type AwardId = keyof typeof AWARDS
export const isAwardId = (text: string): text is AwardId => Object.hasOwn(AWARDS, text)
