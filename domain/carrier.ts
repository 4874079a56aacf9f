/**
 * Which network a subscriber is on, by the name that a member event has for it (D4).
 *
 * A brand is what is written on the bill; several ride on one network, and the network decides from which sender an SMS
 * arrives. Names come as people type them, so spelling and case do not matter.
 */

/** The carriers' own brands. Those who only rent a network are for the operator to add (`OTP_CARRIER_BRANDS`). */
const BRANDS: Readonly<Record<string, readonly string[]>> = {
  softbank: [
    'SoftBank',
    'SoftBank Mobile',
    'ソフトバンク',
    'ソフトバンクモバイル',
    'Y!mobile',
    'ワイモバイル',
    'LINEMO',
    'ラインモ',
  ],
  docomo: ['docomo', 'NTT docomo', 'ドコモ', 'NTTドコモ', 'ahamo', 'アハモ'],
  kddi: ['KDDI', 'au', 'エーユー', 'UQ mobile', 'UQモバイル', 'povo', 'ポヴォ'],
  rakuten: ['Rakuten', 'Rakuten Mobile', '楽天', '楽天モバイル'],
}

/** Letters and digits in one form; without blanks, hyphens, dots and exclamation marks, which differ from list to list. */
const spelling = (name: string): string =>
  name
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}]/gu, '')

const NETWORKS: ReadonlyMap<string, string> = new Map(
  Object.entries(BRANDS).flatMap(([network, brands]) => brands.map((brand) => [spelling(brand), network])),
)

/**
 * @param more brands that an operator added, each with its network; they stand above ours
 * @returns undefined for an unknown brand
 */
export function networkOf(brand: string, more: Readonly<Record<string, string>> = {}): string | undefined {
  const sought = spelling(brand)
  const [, added] = Object.entries(more).find(([name]) => spelling(name) === sought) ?? []
  return added === undefined ? NETWORKS.get(sought) : (NETWORKS.get(spelling(added)) ?? spelling(added))
}
