/** `lakewright set <table> name=value …`: changes settings that a table remembers. */
import type { Command } from 'commander'
import { LakeError } from '../errors.js'
import { printJson, tell } from './output.js'
import { newestTable, type Session, tableSettings } from './session.js'

export function addSet(program: Command, session: Session): void {
  const command = program
    .command('set')
    .summary('change settings a table remembers')
    .description(
      'Changes settings that a table remembers, all in one commit. A setting that may not change is refused.',
    )
    .usage('<table> <name=value…> [options]')
    .argument('<table>', 's3://bucket/prefix, file:///path or a path')
    .argument('<settings...>', 'name=value pairs')
  command.addHelpText('after', setHelp)
  command.action((table: string, settings: string[]) => set(session, table, settings))
}

const setHelp = `
Settings:
  key=id,line                  columns that identify a row
  sort-by=customer_id          columns by which the rows of each file are sorted
  target-file-bytes=256MiB     size of the data files to aim for
  load-columns=true            add _loaded_at and _load_id to every load
  change-feed=on               keep row-level changes, which Spark, Trino and deltalake read too
  checkpoint-interval=10       commits per checkpoint
  delta.<property>=<value>     table properties of Delta that lakewright honours
An empty value forgets a setting: sort-by=

Examples:
  $ lakewright set ./lake/orders key=id
  $ lakewright set ./lake/orders sort-by=customer_id target-file-bytes=256MiB`

async function set(session: Session, name: string, assignments: string[]): Promise<void> {
  const settings = parseAssignments(assignments)
  const url = await newestTable(name, 'set')
  const { openTable } = await import('../index.js')
  await using table = await openTable(url, tableSettings(session))
  const result = await table.set(settings)
  if (session.json) return printJson(result)
  const changed = Object.entries(result.settings).map(([key, value]) => `  ${key} = ${value}`)
  tell([`version ${result.version} of ${url}`, ...changed].join('\n'))
}

export function parseAssignments(texts: string[]): Record<string, string> {
  const settings = new Map<string, string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const name = text.slice(0, at).trim()
    if (at < 0 || name === '') {
      throw new LakeError('invalid', `\`${text}\` is no name=value pair`, { fix: 'Write for example key=id.' })
    }
    if (settings.has(name)) {
      throw new LakeError('invalid', `\`${name}\` is set twice`, { fix: 'Keep one of the two.' })
    }
    settings.set(name, text.slice(at + 1))
  }
  return Object.fromEntries(settings)
}
