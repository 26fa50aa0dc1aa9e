/**
 * Read inputs as a load does: open, run the SELECT, refine and run again. A folder and an engine per suite.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine, Row } from '../../src/engine/port.js'
import { LakeError } from '../../src/errors.js'
import { systemRuntime } from '../../src/runtime.js'
import { typeName } from '../../src/schema/names.js'
import { type LoadInput, openInput } from '../../src/source/open.js'
import type { Input, OpenInputContext, ReadingSettings } from '../../src/source/port.js'

export interface Reading {
  folder: string
  engine: Engine
  file(name: string, content: string | Uint8Array): Promise<string>
  read(inputs: LoadInput | LoadInput[], reading?: ReadingSettings, more?: Partial<OpenInputContext>): Promise<Read>
}

export interface Read {
  /** `name type` */
  columns: string[]
  rows: Row[]
  rejects: Row[]
  typedBy: Record<string, string>
  supplied: readonly string[]
  events: { kind: string | undefined; type: string; ignored: number } | undefined
  /** How often the SELECT ran. */
  passes: number
}

export function useReading(): Reading {
  const suite = {} as Reading
  beforeAll(async () => {
    suite.folder = await mkdtemp(join(tmpdir(), 'lakewright-source-'))
    suite.engine = await openDuckDB({ spillFolder: suite.folder, threads: 2 })
    suite.file = async (name, content) => {
      const path = join(suite.folder, name)
      await writeFile(path, content)
      return path
    }
    suite.read = async (inputs, reading = {}, more = {}) => {
      const list = Array.isArray(inputs) ? inputs : [inputs]
      const context: OpenInputContext = {
        engine: suite.engine,
        runtime: systemRuntime,
        spoolFolder: suite.folder,
        evolve: false,
        onReject: 'fail',
        ...more,
      }
      const input = await openInput(list as LoadInput[], reading, context)
      try {
        for (let passes = 1; ; passes++) {
          try {
            const rows = await suite.engine.rows(input.select)
            const rejects = input.rejects === undefined ? [] : await suite.engine.rows(input.rejects)
            const columns = input.schema.map(({ name, type }) => `${name} ${typeName(type)}`)
            const { typedBy, supplied } = input
            return { columns, rows, rejects, typedBy, supplied, events: await eventsOf(input), passes }
          } catch (error) {
            if (passes > 5 || !(await input.refine(error))) throw error
          }
        }
      } finally {
        await input.close()
      }
    }
  })
  async function eventsOf({ events }: Input): Promise<Read['events']> {
    if (events === undefined) return undefined
    const [row] = await suite.engine.rows(events.ignored)
    return { kind: events.orderKind, type: typeName(events.orderType), ignored: Number(row?.n) }
  }
  afterAll(async () => {
    await suite.engine.close()
    await rm(suite.folder, { recursive: true, force: true })
  })
  return suite
}

/** The LakeError that a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<LakeError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (error instanceof LakeError) return error
  throw error
}

/** The rows of an input opened with `absent`, in its order. */
export function inOrder({ rows }: Read): Row[] {
  return [...rows].sort((a, b) => (BigInt(a.__lw_seq as bigint) < BigInt(b.__lw_seq as bigint) ? -1 : 1))
}

/** One column's values, by the order of another one. */
export function column(read: Read, name: string, by = 'id'): unknown[] {
  const rows = [...read.rows].sort((a, b) => (Number(a[by]) < Number(b[by]) ? -1 : 1))
  return rows.map((row) => row[name])
}
