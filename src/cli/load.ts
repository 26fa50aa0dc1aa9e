/**
 * `lakewright append|replace|overwrite <table> --from …`: reads the sources, runs the load with a progress bar, and
 * prints the receipt (for people on standard error, with `--json` on standard output).
 */
import type { Command } from 'commander'
import { LakeError } from '../errors.js'
import type { LoadMode } from '../index.js'
import { addEngineFlags, addLoadFlags, addReadingFlags, collect, type LoadFlags, loadSettings } from './flags.js'
import { printJson, tell } from './output.js'
import { openProgress } from './progress.js'
import { receiptText } from './receipt-text.js'
import { newestTable, type Session, tableSettings } from './session.js'

export function addLoads(program: Command, session: Session): void {
  for (const mode of ['append', 'replace', 'overwrite'] as const) addLoad(program, session, mode)
}

function addLoad(program: Command, session: Session, mode: LoadMode): void {
  const command = program
    .command(mode)
    .summary(help[mode].summary)
    .description(help[mode].description)
    .usage('<table> --from <source> [options]')
    .argument('<table>', 's3://bucket/prefix, file:///path or a path')
    .option('--from <source>', 'a file, glob, folder, table or URL, or - for standard input; repeatable', collect)
  addReadingFlags(command)
  addLoadFlags(command, mode)
  addEngineFlags(command)
  command.addHelpText('after', `\nExamples:\n${help[mode].examples.map((line) => `  $ ${line}`).join('\n')}`)
  command.action((table: string, flags: LoadFlags) => load(session, mode, table, flags))
}

async function load(session: Session, mode: LoadMode, name: string, flags: LoadFlags): Promise<void> {
  const settings = loadSettings(flags)
  const from = flags.from ?? refuseWithoutSource(mode)
  const url = await newestTable(name, mode)
  const { files, openTable } = await import('../index.js')
  const progress = openProgress(process.stderr)
  try {
    await using table = await openTable(url, tableSettings(session))
    const onProgress = progress.report
    const receipt = await table[mode](files(from), { ...settings, onProgress, signal: session.signal })
    progress.close()
    if (session.json) await printJson(receipt)
    else tell(receiptText(receipt))
  } finally {
    progress.close()
  }
}

// Not a mandatory option of commander's: that would be missed before a mistyped `--form` is noticed.
function refuseWithoutSource(mode: LoadMode): never {
  throw new LakeError('invalid', 'nothing says what to load', {
    fix: `Name a source: lakewright ${mode} <table> --from data.csv`,
  })
}

const help: Record<LoadMode, { summary: string; description: string; examples: string[] }> = {
  append: {
    summary: 'add rows',
    description:
      'Adds rows to a table, and creates it where there is none. Readers see all of the rows or none ' +
      'of them. With --load-id, running the same load again adds nothing.',
    examples: [
      'lakewright append ./lake/events --from events.csv --partition-by dt',
      `lakewright append ./lake/events --from 'events/*.ndjson.gz' --load-id events-2026-11-20`,
      'zcat events.csv.gz | lakewright append ./lake/events --from - --format csv --derive "dt=date(created_at)"',
    ],
  },
  replace: {
    summary: 'replace whole partitions',
    description:
      'Replaces whole partitions. Without --scope, each partition that occurs in the input gets ' +
      'exactly the rows of the input. With --scope, the partitions of the scope are emptied first, ' +
      'rows outside it are refused, and an input without rows empties it. Partitions whose content is ' +
      'already the same are left alone.',
    examples: [
      'lakewright replace ./lake/orders --from dumps/2026-11-20.csv --partition-by dt',
      `lakewright replace ./lake/orders --from dumps/late.csv --scope "dt = '2026-11-20'" --dry-run`,
      `lakewright replace s3://lake/orders --from 'dumps/2026-11-*.csv' --scope "dt >= '2026-11-01' and dt < '2026-12-01'"`,
    ],
  },
  overwrite: {
    summary: 'replace the whole content',
    description:
      'Makes the rows of the input the whole content of the table. Schema, partitioning and key stay ' +
      'unless --schema replace is given. The version before stays readable: lakewright query ' +
      "'orders@3' …",
    examples: [
      'lakewright overwrite ./lake/customers --from customers.parquet',
      'lakewright overwrite ./lake/customers --from customers.csv --schema replace --partition-by country',
      `lakewright overwrite ./lake/customers --from 'dumps/customers-*.csv' --delimiter ';' --encoding windows-1252`,
    ],
  },
}
