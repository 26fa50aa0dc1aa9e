/**
 * What a predicate may say of the rows of a file, by its partition and its statistics: which of TRUE, FALSE and NULL can
 * occur. Leaving one out is a proof; what is missing or not understood leaves all three.
 *
 *   dt < '2026-11-01'      of a file of dt=2026-10-31     always true: the file goes without being read
 *   id = 7                 of a file with ids 10 to 20    never true: the file stays
 */
import type { AddFile, FileStats } from '../manifest/actions.js'
import { canContain, parseStats } from '../manifest/stats.js'
import { type Atom, type ColumnRef, opposite } from '../partition/predicate.js'
import { normalForm, type Predicate } from '../partition/scope.js'
import { textOf } from '../partition/spec.js'
import { canonicalText, compareTexts } from '../partition/value.js'
import { findColumn, sameName } from '../schema/names.js'
import type { Field, Schema } from '../schema/types.js'

/** Which answers can occur. */
export interface Possible {
  true: boolean
  false: boolean
  null: boolean
}

export interface DividedTable {
  schema: Schema
  partitionBy: readonly string[]
}

export function possibleAnswers(predicate: Predicate, file: AddFile, table: DividedTable): Possible {
  const stats = parseStats(file.stats)
  return stats?.numRecords === 0 ? never : answersOf(predicate, { file, table, stats })
}

/** The partitions that can hold a row of which the predicate is true: what it says about partition columns alone. */
export function partitionsOf(predicate: Predicate, partitionBy: readonly string[]): Predicate {
  const isPartition = ({ column }: ColumnRef) => partitionBy.some((name) => sameName(name, column))
  const weaken = (part: Predicate): Predicate => {
    switch (part.op) {
      case 'true':
      case 'false':
        return part
      case 'and':
      case 'or':
        return { op: part.op, of: part.of.map(weaken) }
      case 'not':
        return weaken(part.of).op === 'true' ? { op: 'true' } : part
      case 'columns':
        return { op: 'true' }
      default:
        return isPartition(part) ? part : { op: 'true' }
    }
  }
  // In the normal form negations stand at the leaves, so that a leaf taken for true makes the whole no smaller.
  return normalForm(weaken(normalForm(predicate)))
}

interface Subject {
  file: AddFile
  table: DividedTable
  stats: FileStats | undefined
}

const never: Possible = { true: false, false: false, null: false }
const any: Possible = { true: true, false: true, null: true }

function answersOf(predicate: Predicate, subject: Subject): Possible {
  switch (predicate.op) {
    case 'true':
      return { ...never, true: true }
    case 'false':
      return { ...never, false: true }
    case 'not': {
      const of = answersOf(predicate.of, subject)
      return { true: of.false, false: of.true, null: of.null }
    }
    case 'and':
    case 'or': {
      const parts = predicate.of.map((part) => answersOf(part, subject))
      const [decisive, other] = predicate.op === 'and' ? (['false', 'true'] as const) : (['true', 'false'] as const)
      // Unknown it is only where nothing decides.
      const open = parts.every((part) => part[other] || part.null)
      const answers = { ...never, null: open && parts.some((part) => part.null) }
      answers[decisive] = parts.some((part) => part[decisive])
      answers[other] = parts.every((part) => part[other])
      return answers
    }
    case 'columns':
      return any
    default: {
      const field = findColumn(subject.table.schema, predicate.column)
      if (field === undefined) return any
      return isPartition(subject, field) ? inPartition(predicate, field, subject) : inFile(predicate, field, subject)
    }
  }
}

function isPartition({ table }: Subject, field: Field): boolean {
  return table.partitionBy.some((name) => sameName(name, field.name))
}

type SingleAtom = Exclude<Atom, { op: 'columns' }>

function inPartition(atom: SingleAtom, { name, type }: Field, { file }: Subject): Possible {
  const text = textOf(file.partitionValues, name)
  if (atom.op === 'null') return only(text === null)
  if (text === null) return { ...never, null: true }
  const value = canonicalText(text, type)
  if (value === undefined) return any
  if (atom.op === 'in') return only(atom.values.some((one) => compareTexts(value, one, type) === 0))
  const sign = compareTexts(value, atom.value, type)
  return only(
    { '=': sign === 0, '<>': sign !== 0, '<': sign < 0, '<=': sign <= 0, '>': sign > 0, '>=': sign >= 0 }[
      atom.comparison
    ],
  )
}

function inFile(atom: SingleAtom, field: Field, { stats }: Subject): Possible {
  const isNull = canContain(stats, field, 'is null')
  const isValue = canContain(stats, field, 'is not null')
  switch (atom.op) {
    case 'null':
      return { true: isNull, false: isValue, null: false }
    case 'in':
      return { true: atom.values.some((value) => canContain(stats, field, '=', value)), false: isValue, null: isNull }
    case 'compare':
      return {
        true: canContain(stats, field, atom.comparison, atom.value),
        false: canContain(stats, field, opposite[atom.comparison], atom.value),
        null: isNull,
      }
  }
}

function only(answer: boolean): Possible {
  return { true: answer, false: !answer, null: false }
}
