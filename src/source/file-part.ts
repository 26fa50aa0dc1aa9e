/**
 * A part made of files that one of DuckDB's readers scans. Values from the folders' names (`dt=2026-11-20/`) come in as text
 * columns that the files themselves do not have.
 */
import { quoteIdent } from '../engine/sql.js'
import { foldName } from '../schema/names.js'
import { quoteText } from '../schema/quote.js'
import type { OrderedScan, Part, PartColumn } from './part.js'
import { sequenceSql } from './sequence.js'

export interface FilePartSettings {
  files: readonly LocalFile[]
  columns: PartColumn[]
  /** The table function over these files, e.g. `read_parquet([…])`. */
  reader(files: readonly LocalFile[], how: ReadHow): string
  /** Read from start to end from the beginning. */
  serial?: boolean
  /** Before the reader is told to (`Part.readSerially`): throws what is wrong with the files. Missing where it cannot be told. */
  prove?(): Promise<void>
  rename: Record<string, string>
  /** The row's number within its file, if not by counting. */
  rowNumber?: string
  /** Columns that the reader has besides, where it knows itself where a row stands: `__lw_seq`, `__lw_keys`. */
  ordered?: { columns: string[]; hasKeys: boolean }
  rejects?: string
  explain?: Part['explain']
}

export interface ReadHow {
  /** Adds the file's path under this name. */
  pathColumn?: string
  serial: boolean
}

/** A file on this machine. */
export interface LocalFile {
  path: string
  /** As the user knows it. */
  name: string
  /** Values of Hive folders above it; null for the default partition. */
  folders: Record<string, string | null>
  /** Which of the load's files and streams it is, from 0. */
  ordinal?: number
}

export function filePart(settings: FilePartSettings): Part {
  const { files, columns, reader, rename, rejects, explain, rowNumber = 'row_number() OVER ()' } = settings
  const own = new Set(columns.map((column) => foldName(column.name)))
  const folders = Object.keys(files[0]?.folders ?? {}).filter((name) => !own.has(foldName(name)))
  const names = columns.map((column) => quoteIdent(column.name))
  const select = (of: readonly LocalFile[], more: readonly string[], serial: boolean): string => {
    const values = folders.map((name) => `${folderValue(of[0]?.folders[name])} AS ${quoteIdent(name)}`)
    return `SELECT ${[...more, ...names, ...values].join(', ')} FROM ${reader(of, { serial })}`
  }
  const withPlaces = (serial: boolean, more: (file: LocalFile) => string[] = () => []): string =>
    files
      .map((file) => {
        const places = [`${quoteText(file.name)} AS __lw_file`, `${rowNumber} AS __lw_row`]
        return select([file], [...places, ...more(file)], serial)
      })
      .join(' UNION ALL ')
  const ordered = (): OrderedScan => {
    const { columns: own, hasKeys } = settings.ordered ?? { columns: undefined, hasKeys: false }
    const counted = (file: LocalFile) => own ?? [`${sequenceSql(file.ordinal ?? 0, rowNumber)} AS __lw_seq`]
    const scanWithPlaces = withPlaces(isSerial, counted)
    return { scan: own === undefined ? scanWithPlaces : scanOf(isSerial, own), scanWithPlaces, hasKeys }
  }
  let isSerial = settings.serial ?? false
  const part: Part = {
    columns: [...columns, ...folders.map(folderColumn)],
    scan: scanOf(isSerial),
    scanWithPlaces: withPlaces(isSerial),
    ordered,
    replayable: true,
    label: files[0]?.name ?? '',
    rename,
    readSerially: async () => {
      if (isSerial || settings.prove === undefined) return false
      await settings.prove()
      isSerial = true
      part.scan = scanOf(true)
      part.scanWithPlaces = withPlaces(true)
      return true
    },
    ...(rejects === undefined ? {} : { rejects }),
    ...(explain === undefined ? {} : { explain }),
  }
  return part

  function scanOf(serial: boolean, more: readonly string[] = []): string {
    const groups = groupByFolders(files, folders)
    // A scan per folder costs more than a join once there are many.
    if (groups.length <= 8) return groups.map((group) => select(group, more, serial)).join(' UNION ALL ')
    const values = files.map(
      (file) => `(${[quoteText(file.path), ...folders.map((name) => folderValue(file.folders[name]))].join(', ')})`,
    )
    const own = [...more, ...names].map((name) => `s.${name}`)
    const joined = [...own, ...folders.map((name, i) => `h.v${i} AS ${quoteIdent(name)}`)]
    return (
      `SELECT ${joined.join(', ')} FROM ${reader(files, { pathColumn: '__lw_path', serial })} s ` +
      `JOIN (VALUES ${values.join(', ')}) h(p, ${folders.map((_, i) => `v${i}`).join(', ')}) ON h.p = s.__lw_path`
    )
  }
}

function folderColumn(name: string): PartColumn {
  return { name, kind: 'untyped', type: { kind: 'varchar' }, sql: quoteIdent(name) }
}

function folderValue(value: string | null | undefined): string {
  return value === null || value === undefined ? 'CAST(NULL AS VARCHAR)' : quoteText(value)
}

function groupByFolders(files: readonly LocalFile[], folders: string[]): LocalFile[][] {
  const groups = new Map<string, LocalFile[]>()
  for (const file of files) {
    const id = JSON.stringify(folders.map((name) => file.folders[name] ?? null))
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [file])
    else group.push(file)
  }
  return [...groups.values()]
}

/** Files whose parts can be one: same columns, same folders' names. */
export function groupBy<T extends { file: LocalFile }>(items: readonly T[], key: (item: T) => unknown): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const id = JSON.stringify([key(item), Object.keys(item.file.folders)])
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [item])
    else group.push(item)
  }
  return [...groups.values()]
}
