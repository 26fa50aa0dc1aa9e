/**
 * Variants of the same work, each in fresh processes, in turns (a b c, a b c, …), so that whatever else the machine does
 * meets all of them alike. Medians and their ratios; ratios travel, seconds do not.
 */
import { spawn } from 'node:child_process'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pythonEnvironment } from '../test/servers/python.js'

export async function compare(variants: readonly Variant[], options: CompareOptions): Promise<Summary[]> {
  const runs = variants.map((): Run[] => [])
  for (let round = 0; round < options.rounds; round++)
    for (const [i, variant] of variants.entries()) {
      const run = await runOnce(variant, options)
      runs[i]?.push(run)
      console.error(`  ${variant.name}: ${run.seconds.toFixed(3)} s, ${Math.round(run.peakMB)} MB`)
    }
  const peer = variants.findIndex(({ isPeer }) => isPeer === true)
  // A peer that failed is nobody to divide by.
  const peerRuns = (runs[peer] ?? []).filter(({ facts }) => facts.failed !== true)
  const peerSeconds = medianOf(peerRuns, ({ seconds }) => seconds)
  const peerCpu = medianOf(peerRuns, ({ cpuSeconds }) => cpuSeconds)
  const peerMB = medianOf(peerRuns, ({ peakMB }) => peakMB)
  return variants.map(({ name }, i) => {
    const mine = runs[i] ?? []
    const seconds = medianOf(mine, (run) => run.seconds)
    const cpuSeconds = medianOf(mine, (run) => run.cpuSeconds)
    const peakMB = medianOf(mine, (run) => run.peakMB)
    return {
      name,
      ratio: seconds / peerSeconds,
      cpuRatio: cpuSeconds / peerCpu,
      memoryRatio: peakMB / peerMB,
      seconds,
      processSeconds: medianOf(mine, (run) => run.processSeconds),
      cpuSeconds,
      peakMB,
      facts: mine[0]?.facts ?? {},
    }
  })
}

export interface Variant {
  name: string
  /** The others are divided by this one. */
  isPeer?: boolean
  /** Program and arguments. What it prints last, if that is JSON, are its facts; `seconds` among them is the time measured. */
  command: (folder: string) => string[]
  /** A peer that cannot do this work is told so, and does not end the benchmark. */
  mayFail?: boolean
  /** Before the clock starts, in the run's own folder. */
  prepare?: (folder: string) => Promise<void>
}

export interface CompareOptions {
  rounds: number
  /** Every run gets an empty folder below this one, which is removed afterwards. */
  folder: string
}

export type Facts = Record<string, string | number | boolean>

export interface Run {
  /** As the program measured its own work, else of the whole process. */
  seconds: number
  processSeconds: number
  /** All threads: what a busy machine does not change much. */
  cpuSeconds: number
  peakMB: number
  facts: Facts
}

export interface Summary extends Run {
  name: string
  /** Of the peer. */
  ratio: number
  /** Of the whole processes: to be believed before `ratio` on a busy machine. */
  cpuRatio: number
  memoryRatio: number
}

/** A part of this benchmark in a process of its own: see `variant.ts`. */
export function inNode(benchmark: string, variant: string, input: object): (folder: string) => string[] {
  const entry = fileURLToPath(new URL('./variant.js', import.meta.url))
  return (folder) => [process.execPath, entry, benchmark, variant, JSON.stringify({ ...input, folder })]
}

/** A Python program below `peers/`, by default with the packages of the foreign readers' environment. */
export async function inPython(
  program: string,
  verb: string,
  input: object,
  environment: 'readers' | 'bench' = 'readers',
): Promise<(folder: string) => string[]> {
  const { python } = await pythonEnvironment(environment)
  const path = fileURLToPath(new URL(`./peers/${program}`, import.meta.url))
  return (folder) => [python, path, verb, JSON.stringify({ ...input, folder })]
}

export function printSummaries(title: string, summaries: readonly Summary[]): void {
  console.log(`\n${title}\n`)
  console.log('| | × time | × CPU | × memory | s | whole process s | CPU s | peak MB | |')
  console.log('|---|---|---|---|---|---|---|---|---|')
  for (const { name, ratio, cpuRatio, memoryRatio, seconds, processSeconds, cpuSeconds, peakMB, facts } of summaries) {
    const said = Object.entries(facts).map(([fact, value]) => `${fact} ${value}`)
    const numbers = [
      ...[ratio, cpuRatio, memoryRatio, seconds, processSeconds, cpuSeconds].map((value) =>
        Number.isNaN(value) ? '–' : value.toFixed(2),
      ),
      Math.round(peakMB),
    ]
    console.log(`| ${[name, ...numbers, said.join(', ')].join(' | ')} |`)
  }
}

/** Data files below a folder, and their bytes. */
export async function dataFiles(folder: string): Promise<{ files: number; MB: number }> {
  const found = { files: 0, bytes: 0 }
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.parquet') || entry.parentPath.includes('_delta_log')) continue
    found.files++
    found.bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return { files: found.files, MB: Math.round(found.bytes / 1e6) }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function medianOf(runs: readonly Run[], value: (run: Run) => number): number {
  return median(runs.map(value))
}

let runNumber = 0

async function runOnce(variant: Variant, options: CompareOptions): Promise<Run> {
  const folder = join(options.folder, `run-${runNumber++}`)
  await mkdir(folder, { recursive: true })
  try {
    await variant.prepare?.(folder)
    return await measure(variant.command(folder), variant.mayFail ?? false)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measure(command: string[], mayFail: boolean): Promise<Run> {
  const { python } = await pythonEnvironment('readers')
  const launcher = fileURLToPath(new URL('./measure.py', import.meta.url))
  const lines = (await outputOf(python, [launcher, ...command], mayFail)).trim().split('\n')
  const cost = JSON.parse(lines.at(-1) ?? '') as Omit<Run, 'seconds' | 'facts'> & { exitCode: number }
  const said = lines.at(-2)?.startsWith('{') ? (JSON.parse(lines.at(-2) ?? '') as Facts) : {}
  if (cost.exitCode !== 0) return { ...cost, seconds: Number.NaN, facts: { failed: true } }
  const { exitCode: _, ...usage } = cost
  const { seconds = usage.processSeconds, ...facts } = said
  return { ...usage, seconds: Number(seconds), facts }
}

function outputOf(program: string, args: string[], mayFail: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', mayFail ? 'ignore' : 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0 || mayFail) resolve(output)
      else reject(new Error(`exit code ${code}: ${args.slice(1).join(' ')}`))
    })
  })
}
