/**
 * Where the rows of `query` and `changes` go, and as what.
 *
 *   table                   aligned for people; in a terminal the first rows, and a note that there are more
 *   csv, ndjson, json,      the same bytes on standard output that `--out FILE` writes
 *   parquet, arrow
 *   --json                  {"columns":[…],"rows":[…]}, complete or not at all; with --out a summary
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { type Command, Option } from 'commander'
import { LakeError } from '../errors.js'
import type { QueryResult } from '../index.js'
import { print, printJson, printLine, tell, toJson } from './output.js'
import type { Session } from './session.js'
import { header, type Layout, layOut, line, type TextColumn } from './text-table.js'
import { bytes, count, counted } from './words.js'

const fileFormats = ['json', 'ndjson', 'csv', 'arrow', 'parquet'] as const
type FileFormat = (typeof fileFormats)[number]

export interface OutputFlags {
  output?: 'table' | FileFormat
  out?: string
}

/** Where rows are to go, found out before anything runs. */
export interface Target {
  format: 'table' | FileFormat
  out?: string
}

export function addOutputFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--output <format>',
        `table, ${fileFormats.join(', ')} (default: table, with --out what its name says)`,
      ).choices(['table', ...fileFormats]),
    )
    .option('--out <file>', 'write to this file instead of standard output')
}

/** @throws LakeError invalid: flags that contradict each other, a file that cannot be, binary rows in a terminal */
export async function outputTarget(flags: OutputFlags, session: Session): Promise<Target> {
  const format = outputFormat(flags, session)
  if (flags.out === undefined) return { format }
  await assertFolder(flags.out)
  return { format, out: flags.out }
}

/** @param facts what the summary of a file says beside its rows */
export async function writeRows(
  session: Session,
  result: QueryResult,
  { format, out }: Target,
  facts?: () => Promise<object>,
): Promise<void> {
  try {
    if (out !== undefined && format !== 'table') await writeFile(session, result, out, format, facts)
    else if (session.json) await writeJson(result)
    else if (format === 'table') await writeTable(result)
    else await writeStream(result, format)
  } finally {
    await result.close()
  }
}

function outputFormat({ out, output }: OutputFlags, session: Session): 'table' | FileFormat {
  if (out !== undefined) return fileFormat(out, output)
  if (session.json && output !== undefined) {
    throw new LakeError('invalid', '--json has a shape of its own, which --output cannot change', {
      fix: 'Leave one of the two out, or give --out FILE.',
    })
  }
  if ((output === 'parquet' || output === 'arrow') && process.stdout.isTTY) {
    throw new LakeError('invalid', `--output ${output} is binary and standard output is a terminal`, {
      fix: `Name a file: --out result.${output}`,
    })
  }
  return output ?? 'table'
}

function fileFormat(out: string, output: OutputFlags['output']): FileFormat {
  if (output === 'table') {
    throw new LakeError('invalid', '--output table is for people, and --out writes files for programs', {
      fix: `Choose one of ${fileFormats.join(', ')}.`,
    })
  }
  const extension = extname(out).slice(1).toLowerCase()
  const format = output ?? (extension === 'jsonl' ? 'ndjson' : fileFormats.find((known) => known === extension))
  if (format) return format
  throw new LakeError('invalid', `--out: the name \`${out}\` does not say what to write`, {
    fix: `Give --output ${fileFormats.join('|')}, or a name that ends like one of them.`,
  })
}

/** Before anything runs, and not after it. */
async function assertFolder(out: string): Promise<void> {
  const folder = dirname(out)
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory()) return
  throw new LakeError('invalid', `--out: there is no folder \`${folder}\``, { fix: 'Make the folder first.' })
}

async function writeFile(
  session: Session,
  result: QueryResult,
  out: string,
  format: FileFormat,
  facts?: () => Promise<object>,
): Promise<void> {
  const columns = await result.columns()
  const written = await result.write(out, format)
  if (session.json) await printJson({ out, format, columns, ...written, ...(await facts?.()) })
  else tell(`wrote ${counted(written.rows, 'row')} (${bytes(written.bytes)}) to ${out}`)
}

/** Through a file, so that a stream has the very bytes of `--out` and the rows need not become JavaScript objects. */
async function writeStream(result: QueryResult, format: FileFormat): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lakewright-out-'))
  try {
    const path = join(folder, `result.${format}`)
    await result.write(path, format)
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) await print(chunk as Buffer)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Held back until the last row is there: a failure must not follow half an object. */
async function writeJson(result: QueryResult): Promise<void> {
  const { toJsonValue } = await import('../index.js')
  const columns = await result.columns()
  const chunks = [Buffer.from(`{"columns":${toJson(columns)},"rows":[`)]
  let first = true
  for await (const batch of result.batches()) {
    if (batch.length === 0) continue
    const text = batch.map((row) => toJson(jsonRow(row, toJsonValue))).join(',')
    chunks.push(Buffer.from(first ? text : `,${text}`))
    first = false
  }
  for (const chunk of chunks) await print(chunk)
  await printLine(']}')
}

function jsonRow(row: Record<string, unknown>, toJsonValue: (value: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, toJsonValue(value)]))
}

/** In a terminal the first rows; in a pipe all of them, as wide as the first ones ask for. */
async function writeTable(result: QueryResult): Promise<void> {
  const { toJsonValue } = await import('../index.js')
  const terminal = process.stdout.isTTY === true
  const headRows = terminal ? terminalRows : pipeRows
  const columns = (await result.columns()).map(textColumn)
  const head: string[][] = []
  let layout: Layout | undefined
  for await (const batch of result.batches()) {
    const rows = batch.map((row) => columns.map(({ name }) => cell(toJsonValue(row[name]))))
    const room = headRows - head.length
    if (!layout) head.push(...rows.slice(0, room))
    const rest = layout ? rows : rows.slice(room)
    if (rest.length === 0) continue
    if (terminal) {
      await printLines(tableHead(layOut(columns, head, terminalCellWidth), head))
      return tell(`the first ${count(headRows)} rows; --out FILE or --output csv gives all of them`)
    }
    if (!layout) {
      layout = layOut(columns, head)
      await printLines(tableHead(layout, head))
    }
    const found = layout
    await printLines(rest.map((row) => line(found, row)))
  }
  if (!layout) await printLines(tableHead(layOut(columns, head, terminal ? terminalCellWidth : undefined), head))
}

const terminalRows = 100
const pipeRows = 1000
const terminalCellWidth = 60

function tableHead(layout: Layout, rows: string[][]): string[] {
  return [...header(layout), ...rows.map((row) => line(layout, row))]
}

function printLines(lines: string[]): Promise<void> {
  return printLine(lines.join('\n'))
}

function textColumn({ name, type }: { name: string; type: string }): TextColumn {
  const number = /^(tinyint|smallint|int|integer|bigint|hugeint|float|real|double|decimal)\b/i.test(type)
  return { name, align: number ? 'right' : 'left' }
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  return typeof value === 'object' ? toJson(value) : String(value)
}
