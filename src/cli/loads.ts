/** `lakewright loads <table>`: loads that a guard held back, with what each would do, oldest first. */
import type { Command } from 'commander'
import type { HeldSummary } from '../index.js'
import { guardText } from './guard-text.js'
import { printJson, printLine } from './output.js'
import { rowsText } from './receipt-text.js'
import { newestTable, type Session, tableSettings } from './session.js'
import { printable } from './text-table.js'
import { duration } from './words.js'

export function addHeldLoads(program: Command, session: Session): void {
  const command = program
    .command('loads')
    .summary('loads that a guard held back')
    .description(
      'Lists loads that a guard held back: what each would do, why it waits, and whether it can still be approved. ' +
        'Nothing of them is visible.',
    )
    .usage('<table> [options]')
    .argument('<table>', 's3://bucket/prefix, file:///path or a path')
  command.addHelpText('after', loadsHelp)
  command.action((table: string) => loads(session, table))
}

const loadsHelp = `
Examples:
  $ lakewright loads ./lake/customers
  $ lakewright approve ./lake/customers nightly:2026-11-20
  $ lakewright discard ./lake/customers nightly:2026-11-20`

async function loads(session: Session, name: string): Promise<void> {
  const url = await newestTable(name, 'loads')
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const held = await table.loads()
  if (session.json) await printJson({ loads: held })
  else await printLine(held.length === 0 ? 'no load is held back' : held.map(heldText).join('\n\n'))
}

function heldText({ ageMs, baseHolds, baseVersion, guard, loadId, mode, reason, rows }: HeldSummary): string {
  const base = baseVersion < 0 ? 'creates the table' : `planned on version ${baseVersion}`
  const stands = baseHolds
    ? 'can be approved'
    : `cannot be approved any more: ${printable(reason ?? 'its base changed')}`
  return [
    `${loadId} (${mode}, held ${duration(ageMs)} ago, ${base})`,
    `  rows   ${rowsText(rows)}`,
    ...guard.map((one) => `  guard  ${guardText(one)}`),
    `  base   ${stands}`,
  ].join('\n')
}
