/**
 * `lakewright append|replace|overwrite|merge|sync|scd2|cdc <table> --from …` and `delete <table> --where …`: runs the load
 * with a progress bar, and prints the receipt (for people on standard error, with `--json` on standard output).
 */
import type { Command } from 'commander'
import { LakeError } from '../errors.js'
import type { LoadMode, LoadSettings, Receipt, Table } from '../index.js'
import {
  addEngineFlags,
  addLoadFlags,
  addReadingFlags,
  addTableFlags,
  collect,
  type LoadFlags,
  loadSettings,
} from './flags.js'
import { help } from './load-help.js'
import { printJson, tell } from './output.js'
import { openProgress } from './progress.js'
import { receiptText } from './receipt-text.js'
import { newestTable, type Session, tableSettings } from './session.js'

export function addLoads(program: Command, session: Session): void {
  for (const mode of sourceModes) addLoad(program, session, mode)
  addDelete(program, session)
}

const sourceModes = ['append', 'replace', 'overwrite', 'merge', 'sync', 'scd2', 'cdc'] as const
type SourceMode = (typeof sourceModes)[number]

function addLoad(program: Command, session: Session, mode: SourceMode): void {
  const command = loadCommand(program, mode, '<table> --from <source> [options]').option(
    '--from <source>',
    'a file, glob, folder, table or URL, or - for standard input; repeatable',
    collect,
  )
  addReadingFlags(command)
  addTableFlags(command)
  addLoadFlags(command, mode)
  addEngineFlags(command)
  command.action((table: string, flags: LoadFlags) => {
    const from = flags.from ?? refuseWithoutSource(mode)
    return load(session, mode, table, loadSettings(flags), async (open, settings) => {
      const { files } = await import('../index.js')
      return open[mode](files(from), settings)
    })
  })
}

function addDelete(program: Command, session: Session): void {
  const command = loadCommand(program, 'delete', '<table> --where <condition> [options]').option(
    '--where <condition>',
    'which rows go: "customer = 7 and dt < \'2026-01-01\'"',
  )
  addLoadFlags(command, 'delete')
  addEngineFlags(command)
  command.action((table: string, flags: LoadFlags) => {
    const where = flags.where ?? refuseWithoutCondition()
    return load(session, 'delete', table, loadSettings(flags), (open, settings) => open.delete({ ...settings, where }))
  })
}

function loadCommand(program: Command, mode: LoadMode, usage: string): Command {
  const { description, examples, summary } = help[mode]
  return program
    .command(mode)
    .summary(summary)
    .description(description)
    .usage(usage)
    .argument('<table>', 's3://bucket/prefix, file:///path or a path')
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`)
}

async function load(
  session: Session,
  mode: LoadMode,
  name: string,
  settings: LoadSettings,
  run: (table: Table, settings: LoadSettings) => Promise<Receipt>,
): Promise<void> {
  const url = await newestTable(name, mode)
  const { openTable } = await import('../index.js')
  const progress = openProgress(process.stderr)
  try {
    await using table = await openTable(url, tableSettings(session))
    const receipt = await run(table, { ...settings, onProgress: progress.report, signal: session.signal })
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

function refuseWithoutCondition(): never {
  throw new LakeError('invalid', 'nothing says which rows to delete', {
    fix: 'Name a condition: lakewright delete <table> --where "id = 42"',
  })
}
