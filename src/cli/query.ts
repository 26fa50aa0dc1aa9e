/** `lakewright query <table> "select …"`: one SELECT over a table, which is the view `t`. */
import type { Command } from 'commander'
import { addAsOfFlag, addEngineFlags } from './flags.js'
import { addOutputFlags, type OutputFlags, outputTarget, writeRows } from './result.js'
import { readableTable, type Session, tableSettings } from './session.js'

interface QueryFlags extends OutputFlags {
  asOf?: string
  memory?: string
  threads?: number
}

export function addQuery(program: Command, session: Session): void {
  const command = program
    .command('query')
    .summary('run a SELECT over a table')
    .description('Runs one SELECT, in the SQL of DuckDB, over one version of a table. The table is the view t.')
    .usage('<table> <sql> [options]')
    .argument('<table>', 'a table, or a version of it: orders@3')
    .argument('<sql>', 'a SELECT over t')
  addOutputFlags(command)
  addAsOfFlag(command)
  addEngineFlags(command)
  command.addHelpText('after', queryHelp)
  command.action((table: string, sql: string, flags: QueryFlags) => query(session, table, sql, flags))
}

const queryHelp = `
Examples:
  $ lakewright query ./lake/orders "select region, sum(amount) from t group by all"
  $ lakewright query ./lake/orders@3 "select * from t where dt = '2026-11-20'" --output csv | head
  $ lakewright query ./lake/orders "select * from t" --out orders.parquet`

async function query(session: Session, name: string, sql: string, flags: QueryFlags): Promise<void> {
  const target = await outputTarget(flags, session)
  const { asOf, memory, threads } = flags
  const { url, ...at } = await readableTable(name, asOf)
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const engine = { ...(memory !== undefined && { memory }), ...(threads !== undefined && { threads }) }
  await writeRows(session, table.query(sql, { ...at, ...engine, signal: session.signal }), target)
}
