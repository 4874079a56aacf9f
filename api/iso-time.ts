/** A time as Postgres writes it in JSON, as the API gives it: ISO 8601 in UTC, to the millisecond (spec, section I). */
export const isoTime = (time: string): string => new Date(time).toISOString()
