/** How other engines are told where a table lies, and what it is called there. */
import { LakeError } from '../errors.js'
import { escapeHive } from '../partition/hive.js'
import type { Store } from '../store/port.js'

/** The address of an object as engines read it: `s3://bucket/…`, an absolute path. Not percent-encoded. */
export function objectPath(store: Store, key: string): string {
  return store.localPath(key) ?? `${rootOf(store)}/${key}`
}

/** The address of the table, without a slash at its end. */
export function tablePath(store: Store): string {
  const probe = '_delta_log'
  const path = store.localPath(probe)
  return path === undefined ? rootOf(store) : path.slice(0, -probe.length - 1)
}

/** The last part of its address: what a view of it is called where nothing else is said. */
export function tableName(store: Store): string {
  return (
    tablePath(store)
      .split(/[\\/]/)
      .findLast((part) => part !== '') ?? 'table'
  )
}

/** The glob by which readers that only know directories find data files and nothing else. */
export function directoryGlob(store: Store, partitionBy: readonly string[]): string {
  const folders = partitionBy.map((column) => `${escapeHive(column)}=*`)
  return [tablePath(store), ...folders, '*.parquet'].join('/')
}

/**
 * `sales.orders`, `"my db".orders` → its parts, unquoted.
 * @throws LakeError invalid: an empty part, too many, a quote that does not close
 */
export function nameParts(name: string, most = 3): string[] {
  const pattern = /(?:"((?:[^"]|"")+)"|`((?:[^`]|``)+)`|([^."`]+))(?:\.(?=.)|$)/gy
  const matches = [...name.trim().matchAll(pattern)]
  const whole = matches.reduce((sum, [match]) => sum + match.length, 0) === name.trim().length
  if (whole && matches.length >= 1 && matches.length <= most)
    return matches.map(
      ([, double, back, plain = '']) => double?.replaceAll('""', '"') ?? back?.replaceAll('``', '`') ?? plain,
    )
  throw new LakeError('invalid', `\`${name}\` is no name of a table`, {
    fix: `Write a name, or up to ${most} with dots between them; names with a dot in double quotes.`,
  })
}

/** For what stands in a `--` comment: one line, whatever the name holds. */
export function commentText(text: string): string {
  return text.replaceAll(/[\r\n\u2028\u2029]/g, ' ')
}

function rootOf(store: Store): string {
  return store.url
}
