/**
 * Encode a partition value as a Hive path segment, the one place where that is done.
 *
 *   region, 'US/East'   region=US%2FEast
 *   region, 'é ü'       region=é ü
 *   region, null        region=__HIVE_DEFAULT_PARTITION__
 *
 * Source: Hive's FileUtils.escapePathName, whose list Spark and Delta share. The way back is for what others have laid
 * out and users load from; no value of our own is ever parsed out of a path, the manifest says it.
 */
import { LakeError } from '../errors.js'

export const defaultPartition = '__HIVE_DEFAULT_PARTITION__'

/** `column=value`, escaped on both sides. */
export function hiveSegment(column: string, value: string | null): string {
  return `${escapeHive(column)}=${value === null ? defaultPartition : escapeHive(value)}`
}

/** U+0001–001F, U+007F and `" # % ' * / : = ? \ { [ ] ^` as upper-case `%XX`; all else stays. */
export function escapeHive(text: string): string {
  return text.replace(escaped, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

/**
 * The way back from `escapeHive`, and from writers that escape more (space, or UTF-8 byte by byte). What is no escape
 * stays as it is.
 */
export function unescapeHive(text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    try {
      return decodeURIComponent(run)
    } catch {
      return run
    }
  })
}

/**
 * The values that the Hive folders in the path of an input give: `/in/dt=2026-11-20/a.csv` → `{ dt: '2026-11-20' }`.
 * @param path with `/`; its last part is the file and not looked at
 * @throws LakeError invalid where one column has two values
 */
export function parseHivePath(path: string): Record<string, string | null> {
  const values = new Map<string, string | null>()
  for (const folder of path.split('/').slice(0, -1)) {
    const at = folder.indexOf('=')
    if (at < 1) continue
    const column = unescapeHive(folder.slice(0, at))
    const text = folder.slice(at + 1)
    const value = text === defaultPartition ? null : unescapeHive(text)
    if (values.has(column) && values.get(column) !== value)
      throw new LakeError('invalid', 'the folders of a path give a column two values', {
        column,
        path,
        fix: 'Rename one of the folders, or set the column with `--set`.',
      })
    values.set(column, value)
  }
  return Object.fromEntries(values)
}

// biome reads control characters in a pattern as a slip; here they are the point, so they are spelled by their codes.
const controls = [...Array.from({ length: 31 }, (_, i) => i + 1), 127]
  .map((code) => `\\u${code.toString(16).padStart(4, '0')}`)
  .join('')
const escaped = new RegExp(`[${controls}"#%'*/:=?\\\\{[\\]^]`, 'g')
