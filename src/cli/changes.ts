/** `lakewright changes <table> --since a [--until b]`: what commits did to the rows of a table. */
import type { Command } from 'commander'
import { LakeError } from '../errors.js'
import { addEngineFlags } from './flags.js'
import { addOutputFlags, type OutputFlags, outputTarget, writeRows } from './result.js'
import { readableTable, type Session, tableSettings } from './session.js'

interface ChangesFlags extends OutputFlags {
  since: string
  until?: string
  net?: boolean
  memory?: string
  threads?: number
}

export function addChanges(program: Command, session: Session): void {
  const command = program
    .command('changes')
    .summary('row changes between two versions')
    .description(
      'Shows what every commit after one version, up to and including another, did to the rows of a table: inserts, both images of updates, deletes.',
    )
    .usage('<table> --since <version> [options]')
    .argument('<table>', 'a table, or a version of it to end with: orders@12')
    .requiredOption('--since <version>', 'changes after this version, or after a time; -1 for all')
    .option('--until <version>', 'up to and including this version, or a time (default: the newest)')
    .option('--net', 'one change per key for all versions together')
  addOutputFlags(command)
  addEngineFlags(command)
  command.addHelpText('after', changesHelp)
  command.action((table: string, flags: ChangesFlags) => changes(session, table, flags))
}

const changesHelp = `
After the columns of the table: _change_type, _commit_version, _commit_timestamp and _changed_columns.

Examples:
  $ lakewright changes ./lake/orders --since 12
  $ lakewright changes ./lake/orders --since 12 --until 20 --net --out changes.parquet
  $ lakewright changes ./lake/orders --since 2026-11-19 --output ndjson`

async function changes(session: Session, name: string, flags: ChangesFlags): Promise<void> {
  const target = await outputTarget(flags, session)
  const { net, memory, threads } = flags
  const { url, version } = await readableTable(name)
  if (version !== undefined && flags.until !== undefined)
    throw new LakeError('invalid', `\`${name}\` names the last version, and so does --until`, {
      fix: 'Give one of the two.',
    })
  const until = flags.until === undefined ? version : versionOrTime(flags.until)
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const result = table.changes({
    since: versionOrTime(flags.since),
    ...(until !== undefined && { until }),
    ...(net !== undefined && { net }),
    ...(memory !== undefined && { memory }),
    ...(threads !== undefined && { threads }),
    signal: session.signal,
  })
  await writeRows(session, result, target, () => result.versions())
}

/** Digits are a version, whatever else there is a time. */
function versionOrTime(text: string): number | string {
  return /^-?\d+$/.test(text) ? Number(text) : text
}
