/** `lakewright discard <table> <load-id>`: removes a load that a guard held back. */
import type { Command } from 'commander'
import { printJson, tell } from './output.js'
import { newestTable, type Session, tableSettings } from './session.js'

export function addDiscard(program: Command, session: Session): void {
  const command = program
    .command('discard')
    .summary('remove a load that was held back')
    .description('Removes a load that a guard held back: the files that it staged, and nothing else.')
    .usage('<table> <load-id> [options]')
    .argument('<table>', 's3://bucket/prefix, file:///path or a path')
    .argument('<load-id>', 'as `lakewright loads` shows it')
  command.addHelpText('after', discardHelp)
  command.action((table: string, loadId: string) => discard(session, table, loadId))
}

const discardHelp = `
Examples:
  $ lakewright loads ./lake/customers
  $ lakewright discard ./lake/customers nightly:2026-11-20`

async function discard(session: Session, name: string, loadId: string): Promise<void> {
  const url = await newestTable(name, 'discard')
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const result = await table.discard(loadId)
  if (session.json) await printJson(result)
  else tell(`discarded ${result.loadId}: the table is as it was`)
}
