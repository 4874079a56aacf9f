const FIRST = Date.UTC(1970)
const LAST = Date.UTC(9999, 11, 31)

/**
 * Whether a time, in milliseconds since 1970, can be kept and shown: Postgres has no year 0, and JavaScript writes the year
 * 10000 as Postgres does not read it. NaN cannot.
 */
export const isKeepableTime = (time: number): boolean => time >= FIRST && time <= LAST
