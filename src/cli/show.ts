/** `lakewright show <table> [--partitions|--files]`: what a table is, from its manifest alone. */
import { type Command, Option } from 'commander'
import type { FileSummary, PartitionSummary, Table, TableSummary } from '../index.js'
import { addAsOfFlag } from './flags.js'
import { printJson, printLine } from './output.js'
import { columnsText } from './receipt-text.js'
import { readableTable, type Session, type TableName, tableSettings } from './session.js'
import { printable, textTable } from './text-table.js'
import { bytes, count, counted } from './words.js'

interface ShowFlags {
  partitions?: boolean
  files?: boolean
  asOf?: string
}

export function addShow(program: Command, session: Session): void {
  const command = program
    .command('show')
    .summary('the columns and size of a table')
    .description(
      'Shows the columns, partitioning, key and size of a table, or its partitions or data files. Reads no data file.',
    )
    .usage('<table> [options]')
    .argument('<table>', 'a table, or a version of it: orders@3')
    .addOption(new Option('--partitions', 'one line per partition').conflicts('files'))
    .option('--files', 'one line per data file')
  addAsOfFlag(command)
  command.addHelpText('after', showHelp)
  command.action((table: string, flags: ShowFlags) => show(session, table, flags))
}

const showHelp = `
Examples:
  $ lakewright show ./lake/orders
  $ lakewright show ./lake/orders@3 --partitions
  $ lakewright show s3://lake/orders --json`

async function show(session: Session, name: string, flags: ShowFlags): Promise<void> {
  const { url, ...at } = await readableTable(name, flags.asOf)
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const { json, text } = await answer(table, flags, at)
  if (session.json) await printJson(json)
  else await printLine(text())
}

async function answer(
  table: Table,
  flags: ShowFlags,
  at: Omit<TableName, 'url'>,
): Promise<{ json: unknown; text: () => string }> {
  if (flags.partitions) {
    const partitions = await table.partitions(at)
    return { json: { partitions }, text: () => partitionsText(partitions) }
  }
  if (flags.files) {
    const files = await table.files(at)
    return { json: { files }, text: () => filesText(files) }
  }
  const summary = await table.snapshot(at)
  return { json: summary, text: () => summaryText(summary) }
}

function summaryText(summary: TableSummary): string {
  const { files, key, partitionBy, partitions, rows, version } = summary
  const facts = [
    partitionBy.length > 0 ? `partitioned by ${partitionBy.map(printable).join(', ')}` : 'not partitioned',
    key.length > 0 ? `key ${key.map(printable).join(', ')}` : 'no key',
  ]
  const sizes = [counted(rows, 'row'), counted(files, 'file'), bytes(summary.bytes)]
  if (partitionBy.length > 0) sizes.splice(1, 0, counted(partitions, 'partition'))
  const settings = Object.entries(summary.settings ?? {}).map(
    ([name, value]) => `${name} = ${printable(String(value))}`,
  )
  const lines = [`${summary.table}, version ${version}`, `  ${facts.join('; ')}`, `  ${sizes.join(', ')}`]
  return [...lines, ...settings.map((text) => `  ${text}`), '', columnsText(summary.columns)].join('\n')
}

function partitionsText(partitions: PartitionSummary[]): string {
  return textTable(
    [{ name: 'partition' }, ...sizeColumns],
    partitions.map(({ bytes: size, files, partition, rows }) => [
      partition || '(table)',
      count(files),
      count(rows),
      bytes(size),
    ]),
  )
}

function filesText(files: FileSummary[]): string {
  return textTable(
    [{ name: 'file' }, ...sizeColumns.slice(1)],
    files.map(({ bytes: size, key, rows }) => [key, count(rows), bytes(size)]),
  )
}

const sizeColumns = ['files', 'rows', 'bytes'].map((name) => ({ name, align: 'right' as const }))
