/**
 * Reading a message as its member would, from the simulators' outbox.
 */
export interface OutboxReader {
  /** The code in the newest message to a destination. @throws where there is none */
  code(destination: string): Promise<string>
}

export function createOutboxReader(simulators: string): OutboxReader {
  return {
    async code(destination) {
      const response = await fetch(`${simulators}/messages?to=${encodeURIComponent(destination)}&limit=1`)
      const [newest] = (await response.json()) as { text: string }[]
      const code = newest && /(?<!\d)\d{4,10}(?!\d)/.exec(newest.text)?.[0]
      if (!code) throw new Error('no message with a code has arrived')
      return code
    },
  }
}
