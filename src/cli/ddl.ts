/** `lakewright ddl <table> --for …`: the statement with which another engine reads the table. */
import { type Command, Option } from 'commander'
import { LakeError } from '../errors.js'
import { addAsOfFlag } from './flags.js'
import { print, printJson } from './output.js'
import { readableTable, type Session, tableSettings } from './session.js'

const dialects = ['duckdb', 'athena', 'trino', 'spark'] as const
type Dialect = (typeof dialects)[number]

interface DdlFlags {
  for?: Dialect
  name?: string
  asOf?: string
}

export function addDdl(program: Command, session: Session): void {
  const command = program
    .command('ddl')
    .summary('the SQL with which another engine reads the table')
    .description('Prints the SQL statement with which another engine reads the table.')
    .usage('<table> --for <engine> [options]')
    .argument('<table>', 'a table, or a version of it: orders@3')
    .addOption(new Option('--for <engine>', dialects.join(', ')).choices(dialects))
    .option('--name <name>', "the name of the view or table (default: the last part of the table's path)")
  addAsOfFlag(command)
  command.addHelpText('after', ddlHelp)
  command.action((table: string, flags: DdlFlags) => ddl(session, table, flags))
}

const ddlHelp = `
Examples:
  $ lakewright ddl ./lake/orders --for duckdb > orders.sql
  $ lakewright ddl s3://lake/orders --for athena --name sales.orders`

async function ddl(session: Session, text: string, { asOf, for: dialect, name }: DdlFlags): Promise<void> {
  if (!dialect) {
    throw new LakeError('invalid', 'nothing says for which engine', { fix: `Give --for ${dialects.join('|')}.` })
  }
  const { url, ...at } = await readableTable(text, asOf)
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const sql = await table.ddl(dialect, { ...at, ...(name !== undefined && { name }) })
  if (session.json) return printJson({ dialect, sql })
  await print(sql.endsWith('\n') ? sql : `${sql}\n`)
}
