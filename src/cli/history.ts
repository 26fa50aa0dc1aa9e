/** `lakewright history <table>`: the commits of a table, newest first. */
import type { Command } from 'commander'
import type { CommitSummary } from '../index.js'
import { whole } from './flags.js'
import { printJson, printLine } from './output.js'
import { rowsText } from './receipt-text.js'
import { newestTable, type Session, tableSettings } from './session.js'
import { textTable } from './text-table.js'

export function addHistory(program: Command, session: Session): void {
  const command = program
    .command('history')
    .summary('the commits of a table')
    .description('Lists the commits of a table, newest first: version, time, mode, load id and row counts.')
    .usage('<table> [options]')
    .argument('<table>', 's3://bucket/prefix, file:///path or a path')
    .option('--limit <n>', 'only the newest n commits (default: all)', whole('--limit', 1))
  command.addHelpText('after', historyHelp)
  command.action((table: string, flags: { limit?: number }) => history(session, table, flags))
}

const historyHelp = `
Examples:
  $ lakewright history ./lake/orders
  $ lakewright history ./lake/orders --limit 1 --json`

async function history(session: Session, name: string, flags: { limit?: number }): Promise<void> {
  const url = await newestTable(name, 'history')
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const commits = await table.history(flags)
  if (session.json) await printJson({ commits })
  else await printLine(historyText(commits))
}

function historyText(commits: CommitSummary[]): string {
  const columns = [
    { name: 'version', align: 'right' as const },
    ...['time', 'mode', 'load id', 'rows'].map((name) => ({ name })),
  ]
  return textTable(
    columns,
    commits.map(({ loadId, mode, rows, time, version }) => [
      String(version),
      time,
      mode,
      loadId ?? '',
      rows ? rowsText(rows) : '',
    ]),
  )
}
