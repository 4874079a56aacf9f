/**
 * CPU time by process, from Linux's `/proc`; elsewhere there is none to be had.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** USER_HZ, which Linux has fixed at 100 for all that it tells programs. */
const TICKS_PER_SECOND = 100

/** CPU seconds used so far, by name; `machine` is all that the machine did. */
export type CpuReading = ReadonlyMap<string, number>

export interface CpuMeter {
  read(): CpuReading
}

/** @param pids processes by name, each counted with all its descendants; this process alone, which started them all */
export function createCpuMeter(pids: Readonly<Record<string, number>>): CpuMeter | undefined {
  if (!existsSync('/proc/self/stat')) return undefined
  return {
    read() {
      const table = processTable()
      const seconds = (pid: number) => (pid === process.pid ? ownSeconds() : treeSeconds(table, pid))
      const used = Object.entries(pids).map(([name, pid]) => [name, seconds(pid)] as const)
      return new Map([...used, ['machine', machineSeconds()]])
    },
  }
}

/** What each process used between two readings, in seconds. */
export function cpuUsed(before: CpuReading, after: CpuReading): Record<string, number> {
  const names = [...after.keys()].filter((name) => name !== 'machine')
  return Object.fromEntries(names.map((name) => [name, after.get(name)! - before.get(name)!]))
}

/** How much of the machine others used between two readings, from 0 to 1. */
export function shareOfOthers(before: CpuReading, after: CpuReading, seconds: number): number {
  const used = (name: string) => after.get(name)! - before.get(name)!
  const ours = [...after.keys()].filter((name) => name !== 'machine').reduce((sum, name) => sum + used(name), 0)
  return Math.max(used('machine') - ours, 0) / (seconds * availableParallelism())
}

interface ProcessRow {
  readonly parent: number
  /** Its own, and that of children that have ended. */
  readonly seconds: number
}

function processTable(): Map<number, ProcessRow> {
  const table = new Map<number, ProcessRow>()
  for (const entry of readdirSync('/proc')) {
    const row = /^\d+$/.test(entry) ? processRow(entry) : undefined
    if (row) table.set(Number(entry), row)
  }
  return table
}

function processRow(pid: string): ProcessRow | undefined {
  let line: string
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    // It ended meanwhile.
    return undefined
  }
  // The name in parentheses may hold anything; what follows it is state, parent, …, and from the 11th on the times.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return { parent: Number(fields[1]), seconds: ticks / TICKS_PER_SECOND }
}

function treeSeconds(table: Map<number, ProcessRow>, root: number): number {
  const children = [...table].filter(([, { parent }]) => parent === root).map(([pid]) => pid)
  return children.reduce((sum, pid) => sum + treeSeconds(table, pid), table.get(root)?.seconds ?? 0)
}

function ownSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000_000
}

function machineSeconds(): number {
  const [total] = readFileSync('/proc/stat', 'utf8').split('\n')
  const [user, nice, system, , , irq, softIrq] = total!.trim().split(/\s+/).slice(1).map(Number)
  return (user! + nice! + system! + irq! + softIrq!) / TICKS_PER_SECOND
}
