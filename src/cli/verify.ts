/** `lakewright verify <table>`: compares the files with the manifest. Damage is a report and exit code 7. */
import type { Command } from 'commander'
import { exitCodes } from '../errors.js'
import type { VerifyReport } from '../index.js'
import { addAsOfFlag } from './flags.js'
import { printJson, printLine } from './output.js'
import { openProgress } from './progress.js'
import { readableTable, type Session, tableSettings } from './session.js'
import { textTable } from './text-table.js'
import { counted } from './words.js'

interface VerifyFlags {
  deep?: boolean
  asOf?: string
}

export function addVerify(program: Command, session: Session): void {
  const command = program
    .command('verify')
    .summary('check the files against the manifest')
    .description(
      'Checks that every data file of a version exists with the size and row count of the manifest. With --deep, ' +
        'reads every file and compares content and statistics too. Changes nothing. Damage ends with exit code 7.',
    )
    .usage('<table> [options]')
    .argument('<table>', 'a table, or a version of it: orders@3')
    .option('--deep', 'read every data file and compare content and statistics')
  addAsOfFlag(command)
  command.addHelpText('after', verifyHelp)
  command.action((table: string, flags: VerifyFlags) => verify(session, table, flags))
}

const verifyHelp = `
Examples:
  $ lakewright verify ./lake/orders
  $ lakewright verify ./lake/orders@3 --deep
  $ lakewright verify s3://lake/orders --json`

async function verify(session: Session, name: string, { asOf, deep }: VerifyFlags): Promise<void> {
  const { url, ...at } = await readableTable(name, asOf)
  const { openTable } = await import('../index.js')
  const progress = openProgress(process.stderr)
  try {
    await using table = await openTable(url, tableSettings(session))
    const report = await table.verify({ ...at, ...(deep && { deep }), onProgress: progress.report })
    progress.close()
    if (session.json) await printJson(report)
    else await printLine(reportText(report))
    if (!report.ok) session.exitCode = exitCodes.corrupt
  } finally {
    progress.close()
  }
}

function reportText({ files, ok, problems, rows, version }: VerifyReport): string {
  const looked = `version ${version}, ${counted(files, 'file')}, ${counted(rows, 'row')}`
  if (ok) return `ok: ${looked}`
  const columns = [{ name: 'problem' }, { name: 'file' }, { name: 'message' }]
  const table = textTable(
    columns,
    problems.map(({ code, key, message }) => [code, key, message]),
  )
  return `damaged: ${counted(problems.length, 'problem')} in ${looked}\n\n${table}`
}
