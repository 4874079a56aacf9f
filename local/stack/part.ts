import type { Report } from '../progress.ts'
import type { Guard } from './guarded.ts'

/** A running part of the stack: Postgres, Temporal or Kafka. */
export interface Part {
  readonly pid: number
  /** Resolves when it ended, with how. */
  readonly ended: Promise<string>
  /** Ends it cleanly; its data stays. */
  stop(): Promise<void>
}

export interface PartOptions {
  /** Its data and its output; kept between starts. */
  readonly folder: string
  readonly port: number
  readonly guard: Guard
  /** The environment that its programs see. */
  readonly env: NodeJS.ProcessEnv
  /** Told what it is doing, a line at a time. */
  readonly report: Report
}
