/**
 * Keys below the table's root ↔ the paths that the log holds.
 *
 *   key                                   path in the log
 *   region=US%2FEast/a.parquet            region=US%252FEast/a.parquet     (the folder is Hive-escaped already)
 *   dt=2026-11-20/x y.parquet             dt=2026-11-20/x%20y.parquet
 *
 * Protocol, "Add File": a relative URI reference, percent-encoded (RFC 2396). Decoders differ in what they accept bare,
 * none in what is escaped: so everything but RFC 3986's unreserved characters, `/` and `=` is escaped, bytewise.
 */
import { LakeError } from '../errors.js'
import { assertKey } from '../store/keys.js'

export function encodePath(key: string): string {
  if (!/[^A-Za-z0-9\-._~/=]/.test(key)) return key
  return encodeURIComponent(key).replace(
    /%2F|%3D|[!'()*]/g,
    (found) => left.get(found) ?? `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/**
 * @throws LakeError `unsupported` for files outside of the root (shallow clones), `corrupt` for what is no path
 */
export function decodePath(path: string): string {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(path) || path.startsWith('/'))
    throw new LakeError('unsupported', "the log names a file outside of the table's folder (a shallow clone?)", {
      path,
      fix: 'Copy the table deeply before you use it with lakewright.',
    })
  const key = path.includes('%') ? unescapePath(path) : path
  assertKey(key, 'corrupt')
  return key
}

const left = new Map([
  ['%2F', '/'],
  ['%3D', '='],
])

function unescapePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw new LakeError('corrupt', 'the log names a path that is not percent-encoded UTF-8', { path, cause })
  }
}
