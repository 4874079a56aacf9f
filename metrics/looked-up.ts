/**
 * Figures that are looked up when they are asked for: what stands in a table or at a broker is nobody's to count.
 */
import { Gauge, type Registry } from 'prom-client'

/** A scrape must not wait for a part that is down. */
const LOOK_WITHIN_MS = 2_000

export type Figure = readonly [labels: Readonly<Record<string, string>>, value: number]

export interface LookedUp {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly string[]
}

/**
 * Gauges that come from one look. Where it fails, or takes longer than two seconds, they are absent from that scrape: no
 * figure is better than an old one.
 *
 * @param look gives for each gauge, in their order, its values
 */
export function registerLookedUp(
  registry: Registry,
  gauges: readonly LookedUp[],
  look: () => Promise<readonly (readonly Figure[])[]>,
): void {
  let looking: Promise<readonly (readonly Figure[])[] | undefined> | undefined
  // The gauges of one scrape share one look.
  const shared = () => {
    looking ??= within(look()).finally(() => (looking = undefined))
    return looking
  }
  gauges.forEach(({ name, help, labelNames = [] }, index) => {
    const gauge = new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      async collect() {
        const figures = (await shared())?.[index]
        gauge.reset()
        // Without labels a reset one is 0, which nobody has looked up.
        if (labelNames.length === 0) gauge.remove()
        for (const [labels, value] of figures ?? []) gauge.set(labels, value)
      },
    })
  })
}

async function within<T>(work: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(late.resolve, LOOK_WITHIN_MS, undefined)
  try {
    return await Promise.race([work, late.promise])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}
