/**
 * Which files of a table a query may find a row in, by partition values and statistics. Leaving a file out needs a proof;
 * whatever is missing or not understood keeps it.
 */
import type { AddFile, Snapshot } from '../manifest/actions.js'
import { canContain, parseStats } from '../manifest/stats.js'
import { canonicalText, compareTexts } from '../partition/value.js'
import { findColumn, sameName } from '../schema/names.js'
import type { Field } from '../schema/types.js'
import type { Test, Use } from './uses.js'

/** The files of all uses together, in the manifest's order. */
export function pruneFiles(snapshot: Pick<Snapshot, 'files' | 'metadata'>, uses: readonly Use[]): AddFile[] {
  if (uses.length === 0) return []
  const files = [...snapshot.files.values()]
  if (uses.some((use) => use.filters.length === 0)) return files
  return files.filter((file) => {
    const may = mayMatch(file, snapshot)
    return uses.some(({ filters }) => filters.every((tests) => tests.some(may)))
  })
}

function mayMatch(file: AddFile, { metadata }: Pick<Snapshot, 'metadata'>): (test: Test) => boolean {
  // Parsed only where a filter on a column that is no partition column asks for it.
  let stats: { parsed: ReturnType<typeof parseStats> } | undefined
  return (test) => {
    const field = findColumn(metadata.schema, test.column)
    if (field === undefined) return true
    if (metadata.partitionBy.some((name) => sameName(name, field.name)))
      return partitionMayMatch(file.partitionValues[field.name] || null, field, test)
    stats ??= { parsed: parseStats(file.stats) }
    return canContain(stats.parsed, field, test.op, 'value' in test ? test.value : undefined)
  }
}

function partitionMayMatch(text: string | null, { type }: Field, test: Test): boolean {
  if (!('value' in test)) return (text === null) === (test.op === 'is null')
  if (text === null) return false
  // Engines differ in whether 0.1 is a float or a double.
  if (type.kind === 'float' || type.kind === 'double') return true
  const value = canonicalText(text, type)
  const wanted = canonicalText(test.value, type)
  if (value === undefined || wanted === undefined) return true
  const order = compareTexts(value, wanted, type)
  switch (test.op) {
    case '=':
      return order === 0
    case '<>':
      return order !== 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}
