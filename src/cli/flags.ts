/**
 * The flags that several verbs share, declared once with their help and their parsers, and turned into settings. Flags
 * are the settings' names in kebab-case; a flag that was not given leaves its setting out, so that the library's
 * defaults and what the table remembers apply.
 */
import { type Command, Option } from 'commander'
import { LakeError } from '../errors.js'
import type { LoadMode, LoadSettings, ReadingSettings } from '../index.js'
import { addModeFlags } from './mode-flags.js'
import { parseBytes, parseDelimiter, parseList, parsePairs, parseWhole } from './parse.js'

const formats = ['csv', 'tsv', 'ndjson', 'json', 'parquet', 'arrow', 'debezium']

export function addReadingFlags(command: Command): Command {
  return command
    .optionsGroup('Reading the input:')
    .addOption(new Option('--format <format>', `${formats.join(', ')} (default: what the name says)`).choices(formats))
    .option(
      '--delimiter <char>',
      'between the fields of CSV; \\t is a tab (default: a comma, in .tsv a tab)',
      parseDelimiter,
    )
    .option('--quote <char>', 'around fields of CSV (default: ")')
    .option('--escape <char>', 'before a quote inside a quoted field (default: the quote, doubled)')
    .option('--encoding <name>', 'of text, for example windows-1252 (default: utf-8)')
    .option('--skip-rows <n>', 'lines to leave out before the header (default: 0)', whole('--skip-rows', 0))
    .option('--header <names>', 'names for the columns of CSV that has no header: a,b,c', list('--header'))
    .option('--null-text <text>', 'a further text that means null; repeatable', collect)
    .option(
      '--types <pairs>',
      'SQL types of columns, * for all others: "a=decimal(12,2),*=varchar"',
      pairs('--types', 'type'),
    )
    .option('--rename <pairs>', 'new names of columns: "old=new,…"', pairs('--rename', 'plain'))
    .option('--set <pairs>', 'columns with one value: "dt=2026-11-20"', pairs('--set', 'plain'))
    .option('--derive <pairs>', 'columns from expressions: "dt=date(created_at)"', pairs('--derive', 'expression'))
}

export function addTableFlags(command: Command): Command {
  return command
    .optionsGroup('The table (remembered by it):')
    .option('--partition-by <columns>', 'columns that make the folders, outermost first', list('--partition-by'))
    .option('--key <columns>', 'columns that identify a row', list('--key'))
    .addOption(
      new Option(
        '--change-feed <on|off>',
        'keep row-level changes beside the data, for `changes` and other engines (default: on where merge, sync, scd2 or cdc create the table)',
      ).choices(['on', 'off']),
    )
    .option('--add-load-columns', 'add _loaded_at and _load_id to every row; by key also _created_at and _updated_at')
    .option('--sort-by <columns>', 'sort the rows of each file by these columns', list('--sort-by'))
    .option(
      '--target-file-bytes <size>',
      'aim for data files of this size (default: 128MiB)',
      size('--target-file-bytes'),
    )
}

export function addLoadFlags(command: Command, mode: LoadMode): Command {
  command.optionsGroup('The load:')
  addModeFlags(command, mode)
  const schemas = mode === 'overwrite' ? ['strict', 'evolve', 'replace'] : ['strict', 'evolve']
  const schemaHelp = `what columns may do: ${schemas.map((word) => schemaWords[word]).join('; ')} (default: strict)`
  command
    .option('--load-id <id>', 'a name for this load: the same id with the same content is loaded once')
    .option('--dry-run', 'say what the load would do to each partition, and do nothing')
    .addOption(
      new Option(
        '--on-conflict <fail|retry>',
        'when another writer changed what this load replaces: fail, or plan again on top of it (default: fail)',
      ).choices(['fail', 'retry']),
    )
  if (mode === 'delete') return command
  return command
    .addOption(new Option(`--schema <${schemas.join('|')}>`, schemaHelp).choices(schemas))
    .option('--no-create', 'fail where the table does not exist, instead of creating it')
    .addOption(
      new Option(
        '--on-reject <fail|divert>',
        'when a row cannot be read: fail, or divert it to a file below _rejected/ (default: fail)',
      ).choices(['fail', 'divert']),
    )
}

export function addEngineFlags(command: Command): Command {
  return command
    .optionsGroup('Resources:')
    .option(
      '--memory <size>',
      "upper bound of the engine's memory, for example 1GB (default: half of the machine's, at most 4GB)",
    )
    .option('--threads <n>', "of the engine (default: the machine's cores)", whole('--threads', 1))
}

export function addAsOfFlag(command: Command): Command {
  return command.option('--as-of <time>', 'the version that was the newest at this time: 2026-11-20T06:00:00Z')
}

/** The flags of one load, as commander collected them: settings by their own names, beside the CLI's own. */
export type LoadFlags = LoadSettings & { from?: string[] }

export function loadSettings({ from: _, create, ...settings }: LoadFlags): LoadSettings {
  return { ...settings, ...(create === false && { create }) }
}

export function collect(text: string, before: string[] = []): string[] {
  return [...before, text]
}

export function whole(flag: string, least: number): (text: string) => number {
  return (text) => parseWhole(flag, text, least)
}

type Pairs = NonNullable<ReadingSettings['types']>

const schemaWords: Record<string, string> = {
  strict: 'strict refuses new and wider ones',
  evolve: 'evolve adds and widens',
  replace: 'replace starts anew, with partitioning and key',
}

function list(flag: string): (text: string) => string[] {
  return (text) => parseList(flag, text)
}

function size(flag: string): (text: string) => number {
  return (text) => parseBytes(flag, text)
}

/** A repeated flag adds its pairs to those before. */
function pairs(flag: string, values: 'plain' | 'type' | 'expression'): (text: string, before?: Pairs) => Pairs {
  return (text, before = {}) => {
    const more = parsePairs(flag, text, values)
    for (const name of more.keys()) {
      if (Object.hasOwn(before, name)) {
        throw new LakeError('invalid', `${flag} names \`${name}\` twice`, { fix: 'Keep one of the two.' })
      }
    }
    // Not an assignment: a column may be called `__proto__`.
    return Object.fromEntries([...Object.entries(before), ...more])
  }
}
