/** `lakewright approve <table> <load-id>`: commits a load that a guard held back, and prints its receipt. */
import type { Command } from 'commander'
import { printJson, tell } from './output.js'
import { receiptText } from './receipt-text.js'
import { newestTable, type Session, tableSettings } from './session.js'

export function addApprove(program: Command, session: Session): void {
  const command = program
    .command('approve')
    .summary('commit a load that was held back')
    .description(
      'Commits a load that a guard held back, as it was staged. Where another writer has changed meanwhile what it ' +
        'looked at, nothing is committed, and the load stays held.',
    )
    .usage('<table> <load-id> [options]')
    .argument('<table>', 's3://bucket/prefix, file:///path or a path')
    .argument('<load-id>', 'as `lakewright loads` shows it')
  command.addHelpText('after', approveHelp)
  command.action((table: string, loadId: string) => approve(session, table, loadId))
}

const approveHelp = `
Examples:
  $ lakewright loads ./lake/customers
  $ lakewright approve ./lake/customers nightly:2026-11-20`

async function approve(session: Session, name: string, loadId: string): Promise<void> {
  const url = await newestTable(name, 'approve')
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const receipt = await table.approve(loadId)
  if (session.json) await printJson(receipt)
  else tell(receiptText(receipt))
}
