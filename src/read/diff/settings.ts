/** What a diff can be told, and its parser. */
import { z } from 'zod'
import type { Runtime } from '../../runtime.js'
import type { EngineUse } from '../../settings.js'
import { component, engineUse, names, parse, readingShape, refuse, signal, storeShape } from '../../settings-shapes.js'
import type { ReadingSettings } from '../../source/port.js'
import type { StoreSettings } from '../../store/port.js'

/** Reading settings hold for both sides; a file source (`csv('a.txt', { header: […] })`) brings its own. */
export interface DiffSettings extends ReadingSettings, EngineUse {
  /** Columns that identify a row. Default: the key that a table on either side remembers. */
  key?: string[]
  /** Compare only these columns. Default: all but the key. */
  columns?: string[]
  /** Compare all columns but these. */
  ignore?: string[]
  /** Several rows of one side with one key: `fail` (default), or keep the last or first by `orderBy`. */
  onDuplicate?: 'fail' | 'last' | 'first'
  /** Columns that say which of several rows with one key is the last. */
  orderBy?: string[]
  /** Compare rows value by value instead of by their 128-bit hashes. */
  exact?: boolean
  /** Show that old + changes = new: every row of both sides is read once more. */
  prove?: boolean
  /** Write the changed rows to this file: `.parquet`, `.csv`, `.ndjson`, `.json` or `.arrow`. */
  out?: string
  /** How to reach what lies on a store. */
  store?: StoreSettings
  /** Folder for spilling and for files on their way. Default: the system's temporary folder. */
  tempFolder?: string
  signal?: AbortSignal
  /** Components; for tests. */
  components?: { runtime?: Partial<Runtime> }
}

/** @throws LakeError invalid */
export function parseDiffSettings(settings: DiffSettings = {}): DiffSettings {
  const parsed = parse(diffShape, settings, 'diff') as DiffSettings
  const { columns, ignore, onDuplicate = 'fail', orderBy, format } = parsed
  if (columns !== undefined && ignore !== undefined)
    refuse('`columns` and `ignore` both say which columns are compared: give one of the two')
  if (onDuplicate !== 'fail' && orderBy === undefined)
    refuse(`\`onDuplicate: '${onDuplicate}'\` needs \`orderBy\`, which says what row is the ${onDuplicate}`)
  if (onDuplicate === 'fail' && orderBy !== undefined) refuse("`orderBy` belongs to `onDuplicate: 'last'` or `'first'`")
  if (format === 'debezium') refuse('change events are no snapshot: `debezium` belongs to `cdc`')
  return parsed
}

const diffShape = z.strictObject({
  ...engineUse,
  ...readingShape,
  key: names.optional(),
  columns: names.optional(),
  ignore: names.optional(),
  onDuplicate: z.enum(['fail', 'last', 'first']).optional(),
  orderBy: names.optional(),
  exact: z.boolean().optional(),
  prove: z.boolean().optional(),
  out: z.string().min(1).optional(),
  store: storeShape,
  tempFolder: z.string().min(1).optional(),
  signal: signal.optional(),
  components: z.strictObject({ runtime: component.optional() }).optional(),
})
