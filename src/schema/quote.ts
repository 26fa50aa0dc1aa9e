/**
 * Quoting for SQL text, DuckDB's rules. The bottom layer of the house: `engine/sql.ts` composes statements from these.
 *
 *   quoteIdentifier('a"b')   "a""b"
 *   quoteText("it's")        'it''s'
 */

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteText(text: string): string {
  // A literal cannot hold U+0000 in DuckDB's parser; chr(0) can.
  const parts = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`)
  return parts.length === 1 ? (parts[0] ?? "''") : `(${parts.join(' || chr(0) || ')})`
}
