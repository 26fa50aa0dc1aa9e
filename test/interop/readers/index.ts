/**
 * Foreign engines that read and write Delta tables, all behind one small interface. Each is a process of its own that
 * speaks the protocol of `serve.py`, so a session is opened once and asked many times.
 *
 *   const spark = await openReader('spark')
 *   await spark.read('/tmp/orders', { version: 3 })      // ['{"amount":"1.10","id":"7"}', …], sorted
 *   await spark.close()
 *
 * Rows come back as texts that are equal exactly if the values are (`canonical.py` has the table of encodings), so
 * `expect(await a.read(t)).toEqual(await b.read(t))` compares two engines, and `canonicalRows` makes the same of a
 * test's own values.
 */
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sparkJars } from '../../servers/maven.js'
import { type Child, onPath, startChild } from '../../servers/process.js'
import { pythonEnvironment } from '../../servers/python.js'
import type { S3Access } from '../../servers/s3.js'
import * as trino from '../../servers/trino.js'

export const readerNames = ['deltalake', 'polars', 'duckdb', 'spark', 'trino'] as const
export type ReaderName = (typeof readerNames)[number]

/** A local folder, or a table on one of the S3 servers. */
export type Location = string | { url: string; s3: S3Access }

export interface Reader {
  name: ReaderName
  version: string
  /** The rows, canonical and sorted. */
  read(table: Location, options?: { version?: number }): Promise<string[]>
  /** The change feed after version `since` up to and including `until`, less `_commit_timestamp`. Not Polars, DuckDB. */
  changes(table: Location, range: { since: number; until?: number }): Promise<string[]>
  /** Append to a table. deltalake and Spark; Trino on S3, scalar columns only. */
  append(table: Location, schema: DeltaSchema, rows: Row[]): Promise<void>
  /** Make a table. deltalake and Spark. */
  createTable(table: Location, schema: DeltaSchema, rows: Row[], options?: CreateOptions): Promise<void>
  /** Set columns of some rows to SQL expressions. deltalake. */
  update(table: Location, set: Record<string, string>, where: string): Promise<void>
  /** deltalake. */
  delete(table: Location, where: string): Promise<void>
  /** Any statement, `{t}` standing for the table. Spark, Trino. */
  sql(statement: string, table?: Location): Promise<string[]>
  close(): Promise<void>
}

export interface CreateOptions {
  partitionBy?: string[]
  /** `delta.*` table properties. */
  properties?: Record<string, string>
}

/** A row of a test: BIGINT as bigint, decimals as text with their scale, dates as text, timestamps as Date or text. */
export type Row = Record<string, unknown>

/** Delta's types by column: `{ id: 'long', price: 'decimal(12,2)', tags: arrayOf('string') }`. */
export type DeltaSchema = Record<string, DeltaType>
export type DeltaType = string | { type: string }

export const arrayOf = (elementType: DeltaType) => ({ type: 'array', elementType, containsNull: true })
export const mapOf = (keyType: DeltaType, valueType: DeltaType) => ({
  ...{ type: 'map', keyType, valueType },
  valueContainsNull: true,
})
export const structOf = (fields: DeltaSchema) => ({
  type: 'struct',
  fields: Object.entries(fields).map(([name, type]) => ({ name, type, nullable: true, metadata: {} })),
})

export async function openReader(name: ReaderName): Promise<Reader> {
  const session = await openSession(name)
  const ask = async (op: string, table: Location | undefined, request: object = {}) =>
    (await session.ask({ op, ...at(table), ...request })).sort()
  return {
    name,
    version: session.version,
    read: (table, options) => ask('read', table, options),
    changes: (table, range) => ask('cdf', table, range),
    async append(table, schema, rows) {
      await ask('append', table, { schema: structOf(schema), rows: canonicalRows(rows) })
    },
    async createTable(table, schema, rows, { partitionBy = [], properties = {} } = {}) {
      await ask('create', table, { schema: structOf(schema), rows: canonicalRows(rows), partitionBy, properties })
    },
    async update(table, set, where) {
      await ask('update', table, { set, where })
    },
    async delete(table, where) {
      await ask('delete', table, { where })
    },
    sql: (statement, table) => ask('sql', table, { sql: statement }),
    close: session.close,
  }
}

/** Every reader of these that can be had. One that cannot is a loud warning, and an error where CI is set. */
export async function openReaders(names: readonly ReaderName[] = readerNames): Promise<Reader[]> {
  const outcomes = await Promise.allSettled(names.map(openReader))
  const readers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const problems = outcomes.flatMap((outcome, n) =>
    outcome.status === 'rejected' ? [`${names[n]} could not be had: ${outcome.reason}`] : [],
  )
  if (problems.length > 0 && process.env.CI) {
    await Promise.all(readers.map((reader) => reader.close()))
    throw new Error(`CI needs every foreign reader, but:\n${problems.join('\n')}`)
  }
  for (const problem of problems) console.warn(`\n!!!!!! READER MISSING: ${problem}\n`)
  console.log(`[readers] ${readers.map(({ name, version }) => `${name} ${version}`).join(', ')}`)
  return readers
}

/** Rows of a test as a reader gives them, in the same order. */
export function canonicalRows(rows: Row[]): string[] {
  return rows.map(canonical).sort()
}

/**
 * The rows as this reader can know them. Four tell everything; Trino has names in lower case only, and timestamps with
 * a time zone to the millisecond (data is rounded, partition values are cut: keep those whole).
 */
export function seenBy(reader: ReaderName, rows: string[]): string[] {
  if (reader !== 'trino') return rows
  return rows.map((row) => canonical(inTrinoTerms(JSON.parse(row)))).sort()
}

function inTrinoTerms(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(microseconds, toMilliseconds)
  if (Array.isArray(value)) return value.map(inTrinoTerms)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name.toLowerCase(), inTrinoTerms(inner)]))
}

const microseconds = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})(\d{3})Z$/

function toMilliseconds(_text: string, whole: string, rest: string): string {
  return new Date(Date.parse(`${whole}Z`) + (Number(rest) >= 500 ? 1 : 0)).toISOString().replace('Z', '000Z')
}

/** One value as the readers write it: `canonical.py`. */
export function canonical(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'bigint') return quoted(value)
  if (typeof value === 'number') return Number.isFinite(value) ? numberText(value) : quoted(value)
  if (value instanceof Date) return quoted(value.toISOString().replace('Z', '000Z'))
  if (value instanceof Uint8Array) return quoted(Buffer.from(value).toString('base64'))
  if (value instanceof Map) return list([...value].map(canonical).sort())
  if (Array.isArray(value)) return list(value.map(canonical))
  if (typeof value !== 'object') return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}

const quoted = (value: unknown) => `"${value}"`
const list = (texts: string[]) => `[${texts.join(',')}]`
const numberText = (value: number) => (Object.is(value, -0) ? '-0' : String(value))

function at(table: Location | undefined): { url?: string; s3?: S3Access } {
  return typeof table === 'string' ? { url: table } : { ...table }
}

interface Session {
  version: string
  ask(request: object): Promise<string[]>
  close(): Promise<void>
}

async function openSession(name: ReaderName): Promise<Session> {
  const { python } = await pythonEnvironment('readers')
  if (name === 'spark') await requireJava()
  const server = name === 'trino' ? await trino.start() : undefined
  const program = fileURLToPath(new URL(`./${name}_reader.py`, import.meta.url))
  const child = await startChild(`${name}-reader`, () => [python, program], {
    talk: 'pipe',
    env: {
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONUTF8: '1',
      ...(name === 'spark' && { LAKEWRIGHT_SPARK_JARS: await sparkJars(), SPARK_LOCAL_IP: '127.0.0.1' }),
      ...(server && { LAKEWRIGHT_TRINO: server.endpoint }),
    },
  })
  const close = async () => {
    await child.stop()
    await server?.stop()
  }
  try {
    const answers = answersOf(name, child)
    const { version = '?' } = await answers.next()
    return { version, ask: oneAtATime(name, child, answers), close }
  } catch (cause) {
    await close()
    throw cause
  }
}

async function requireJava(): Promise<void> {
  if (process.env.JAVA_HOME || (await onPath('java'))) return
  throw new Error('Spark 4.1 needs Java 17 or 21, and there is neither JAVA_HOME nor a `java` on PATH')
}

interface Answer {
  ok: boolean
  version?: string
  rows?: string[]
  error?: string
}

function answersOf(name: ReaderName, child: Child): { next(): Promise<Answer> } {
  const { stdout, stdin } = child.process
  if (!stdout || !stdin) throw new Error('a reader talks through pipes')
  stdin.on('error', () => {})
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  return {
    async next() {
      const line = await lines.next()
      if (line.done) throw new Error(`${name} ended:\n${await child.log()}`)
      return JSON.parse(line.value)
    },
  }
}

function oneAtATime(name: ReaderName, child: Child, answers: { next(): Promise<Answer> }): Session['ask'] {
  let before: Promise<unknown> = Promise.resolve()
  const exchange = async (request: object) => {
    child.process.stdin?.write(`${JSON.stringify(request)}\n`)
    const { ok, rows = [], error } = await answers.next()
    if (!ok) throw new Error(`${name}: ${error}`)
    return rows
  }
  return (request) => {
    const answer = before.then(() => exchange(request))
    before = answer.catch(() => {})
    return answer
  }
}
