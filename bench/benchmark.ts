/** What a file of this folder exports to be a benchmark, and what is common to their inputs. */
import type { Facts, Summary } from './compare.js'

export interface Benchmark {
  title: string
  /** Runs everything and answers what to print, table by table. */
  run(options: BenchmarkOptions): Promise<Table[]>
}

export interface BenchmarkOptions {
  /** Of the input; each benchmark has its own default. */
  rows?: number
  rounds: number
  /** An empty folder on the disk that holds the inputs, too. */
  folder: string
  /** Inputs are kept here between runs. */
  inputs: string
}

export interface Table {
  title: string
  summaries: Summary[]
}

/** The part of a benchmark that is measured. `folder` is empty but for what `prepare` put there. */
export type Work = (input: WorkInput) => Promise<Facts>

export interface WorkInput {
  folder: string
  [setting: string]: unknown
}

export async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> {
  const start = performance.now()
  const result = await work()
  return { seconds: (performance.now() - start) / 1000, result }
}
