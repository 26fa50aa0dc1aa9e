/**
 * Flags that only some modes take. In the others they are hidden rather than missing, so that the refusal says which
 * mode they belong to.
 */
import { type Command, Option } from 'commander'
import type { LoadMode } from '../index.js'
import { parseList, parseRatio, parseWhole } from './parse.js'

export function addModeFlags(command: Command, mode: LoadMode): Command {
  for (const { modes, option } of modeFlags()) command.addOption(option.hideHelp(!modes.includes(mode)))
  return command
}

interface ModeFlag {
  modes: LoadMode[]
  option: Option
}

/** Made anew for each mode: whether an option is hidden is kept in it. */
function modeFlags(): ModeFlag[] {
  return [
    flag(
      ['replace', 'sync', 'merge'],
      '--scope <predicate>',
      "work on exactly these partitions: \"dt >= '2026-11-01' and dt < '2026-12-01'\"",
    ),
    flag(['overwrite'], '--allow-empty', 'let an input without rows empty the table'),
    choice(
      ['merge', 'sync', 'scd2'],
      '--on-duplicate <what>',
      'when a key occurs twice in the input: fail, or keep the last or the first by --order-by (default: fail)',
      ['fail', 'last', 'first'],
    ),
    list(['merge', 'sync', 'scd2'], '--order-by', 'columns that say which of several rows with one key is the last'),
    flag(['merge', 'sync', 'scd2'], '--exact', 'compare rows value by value instead of by 128-bit hashes'),
    flag(['merge'], '--delete-when <condition>', 'delete a matched row for which this is true: "incoming.is_deleted"'),
    list(['merge'], '--update-columns', 'columns that a matched row takes from the input (default: all that it has)'),
    flag(
      ['merge'],
      '--when-matched <condition>',
      'update a matched row only where this is true: "incoming.updated_at > current.updated_at"',
    ),
    choice(
      ['merge'],
      '--when-not-matched-by-source <what>',
      'rows of the table (of the --scope) that the input does not have: keep, delete (default: keep)',
      ['keep', 'delete'],
    ),
    ratio(
      ['sync', 'scd2'],
      '--max-delete-ratio',
      'hold the load back when a greater share of the rows would go (default: 0.5)',
    ),
    ratio(['sync'], '--max-update-ratio', 'hold the load back when a greater share of the rows would change'),
    whole(['sync', 'scd2'], '--min-rows', 'hold the load back when the snapshot has fewer rows'),
    list(['scd2'], '--track', 'columns of which a change opens a new version (default: all but the key)'),
    flag(
      ['scd2'],
      '--effective-at <time>',
      'when the rows took effect: 2026-11-20T06:00:00Z, or column:NAME (default: now)',
    ),
    choice(
      ['scd2'],
      '--snapshot <full|partial>',
      'whether a key that the input lacks is closed (full), or left as it is (default: full)',
      ['full', 'partial'],
    ),
    choice(
      ['scd2'],
      '--late <fail|insert>',
      'a snapshot from before the newest one: fail, or put it in order (default: fail)',
      ['fail', 'insert'],
    ),
    flag(['cdc'], '--op-column <column>', 'what happened to the row: I/U/D, insert/update/delete, METADATA$ACTION'),
    flag(['cdc'], '--order-column <column>', 'by which the events of one key are ordered; it stays in the table'),
    flag(['cdc'], '--soft-delete <column>', 'keep deleted rows, and mark them in this boolean column'),
    flag(['cdc'], '--tombstone-retention <time>', 'how long the order of a deleted key is kept (default: 30d)'),
  ]
}

function flag(modes: LoadMode[], flags: string, help: string): ModeFlag {
  return { modes, option: new Option(flags, help) }
}

function choice(modes: LoadMode[], flags: string, help: string, words: string[]): ModeFlag {
  return { modes, option: new Option(flags, help).choices(words) }
}

function list(modes: LoadMode[], name: string, help: string): ModeFlag {
  return { modes, option: new Option(`${name} <columns>`, help).argParser((text) => parseList(name, text)) }
}

function ratio(modes: LoadMode[], name: string, help: string): ModeFlag {
  return { modes, option: new Option(`${name} <share>`, help).argParser((text) => parseRatio(name, text)) }
}

function whole(modes: LoadMode[], name: string, help: string): ModeFlag {
  return { modes, option: new Option(`${name} <n>`, help).argParser((text) => parseWhole(name, text, 0)) }
}
