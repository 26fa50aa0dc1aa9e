/**
 * `lakewright diff <old> <new> --key …`: compares two snapshots and says what was inserted, updated and deleted. People read
 * it on standard error; with `--json` it is one object on standard output. Differences are no failure.
 */
import { type Command, Option } from 'commander'
import { LakeError } from '../errors.js'
import type { DiffResult, DiffSettings, FileSource } from '../index.js'
import { addEngineFlags, addReadingFlags } from './flags.js'
import { printJson, tell } from './output.js'
import { parseList } from './parse.js'
import { type Session, tableSettings } from './session.js'
import { printable, textTable } from './text-table.js'
import { count, counted } from './words.js'

/** `--header` may be given twice. */
type DiffFlags = Omit<DiffSettings, 'header'> & { header?: string[][] }

export function addDiff(program: Command, session: Session): void {
  const command = program
    .command('diff')
    .summary('compare two snapshots by key')
    .description(
      'Compares two snapshots by key: which rows were inserted, updated and deleted from the old to the new one. Columns ' +
        'are matched by name, and text is compared as what it says: 1.10 is 1.1, but 007 is not 7.',
    )
    .usage('<old> <new> --key <columns> [options]')
    .argument('<old>', 'a file, glob, folder, table, version of a table (orders@12) or URL')
    .argument('<new>', 'the same, or - for standard input')
    .option('--key <columns>', 'columns that identify a row (default: what the table remembers)', list('--key'))
    .option('--columns <columns>', 'compare only these columns', list('--columns'))
    .option('--ignore <columns>', 'compare all columns but these', list('--ignore'))
    .option('--out <file>', 'write the changed rows to this file: .parquet, .csv, .ndjson')
    .option('--exact', 'compare rows value by value instead of by 128-bit hashes')
    .option('--prove', 'show that old + changes = new, by reading both sides once more')
    .addOption(
      new Option(
        '--on-duplicate <what>',
        'when a key occurs twice on one side: fail, or keep the last or the first by --order-by (default: fail)',
      ).choices(['fail', 'last', 'first']),
    )
    .option(
      '--order-by <columns>',
      'columns that say which of several rows with one key is the last',
      list('--order-by'),
    )
  addReadingFlags(command)
  twoHeaders(command)
  addEngineFlags(command)
  command.addHelpText('after', diffHelp)
  command.action((old: string, now: string, flags: DiffFlags) => run(session, old, now, flags))
}

const diffHelp = `
Examples:
  $ lakewright diff dumps/2026-11-19.csv dumps/2026-11-20.csv --key id
  $ lakewright diff ./lake/customers@12 ./lake/customers --out changes.parquet
  $ lakewright diff old.txt new.txt --key id --header id,name --header id,city,name --delimiter ';'`

async function run(session: Session, old: string, now: string, { header = [], ...flags }: DiffFlags): Promise<void> {
  if (header.length > 2)
    throw new LakeError('invalid', '--header is given more than twice, and there are two sides', {
      fix: 'Give it once for both sides, or first for the old and then for the new one.',
    })
  const { diff, files } = await import('../index.js')
  const side = (from: string, names: string[] | undefined): FileSource =>
    files(from, names === undefined ? {} : { header: names })
  const { components } = tableSettings(session)
  const settings: DiffSettings = {
    ...flags,
    signal: session.signal,
    ...(components?.runtime && { components: { runtime: components.runtime } }),
  }
  await using result = await diff(side(old, header[0]), side(now, header[1] ?? header[0]), settings)
  if (session.json) return await printJson(result)
  tell(resultText(result, old, now))
  const rows = result.inserted + result.deleted + 2 * result.updated
  if (flags.out !== undefined) tell(`wrote ${counted(rows, 'row')} to ${flags.out}`)
}

/** One for both sides, or the old one's and then the new one's. */
function twoHeaders(command: Command): void {
  const option = command.options.find(({ long }) => long === '--header')
  if (option === undefined) return
  option.description = `${option.description}; twice where the sides differ`
  option.argParser((text: string, before: string[][] = []) => [...before, parseList('--header', text)])
}

function resultText(result: DiffResult, old: string, now: string): string {
  const { inserted, updated, deleted, unchanged, changedColumns, schema, proved } = result
  const isSame = inserted + updated + deleted + schema.added.length + schema.removed.length === 0
  const counts = `${count(inserted)} inserted, ${count(updated)} updated, ${count(deleted)} deleted, ${count(unchanged)} unchanged`
  const lines = [
    `${printable(old)} to ${printable(now)}: ${isSame ? `no difference in ${counted(unchanged, 'row')}` : counts}`,
  ]
  if (schema.added.length > 0) lines.push(`  columns added    ${schema.added.map(printable).join(', ')}`)
  if (schema.removed.length > 0) lines.push(`  columns removed  ${schema.removed.map(printable).join(', ')}`)
  const changed = Object.entries(changedColumns).map(([name, rows]) => [name, count(rows)])
  if (changed.length > 0)
    lines.push(
      '',
      textTable([{ name: 'column' }, { name: 'rows changed', align: 'right' }], changed).replace(/^/gm, '  '),
    )
  if (proved) lines.push('  proved: old + changes = new')
  return lines.join('\n')
}

function list(flag: string): (text: string) => string[] {
  return (text) => parseList(flag, text)
}
