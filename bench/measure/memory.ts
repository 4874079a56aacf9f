/**
 * Resident memory of processes, from Linux's `/proc`; elsewhere there is none to be had.
 */
import { readFileSync } from 'node:fs'

const EVERY_MS = 1_000

export interface MemoryWatch {
  /** Peaks in MiB, by name. A process that was started again counts with the highest of its lives. */
  stop(): Readonly<Record<string, number>>
}

/** @param pids asked before each look, since a process that was started again has another */
export function watchMemory(pids: () => Readonly<Record<string, number>>): MemoryWatch {
  const peaks: Record<string, number> = {}
  const look = () => {
    for (const [name, pid] of Object.entries({ ...pids(), soak: process.pid })) {
      peaks[name] = Math.max(peaks[name] ?? 0, residentMiB(pid))
    }
  }
  look()
  const timer = setInterval(look, EVERY_MS)
  return {
    stop() {
      clearInterval(timer)
      return peaks
    },
  }
}

/** 0 for one that is gone. */
function residentMiB(pid: number): number {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Math.round(Number(kilobytes ?? 0) / 1_024)
  } catch {
    return 0
  }
}
