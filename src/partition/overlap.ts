/**
 * What can be known of predicates without looking at any row. Conservative: an overlap that cannot be excluded is one.
 */
import { type Atom, evaluate, type Negation, normalForm, type Predicate } from './predicate.js'
import { compareTexts } from './value.js'

/**
 * Columns that the predicate fixes to one value: `dt = '2026-11-20' and region in ('EU', 'US')` fixes dt. They supply a
 * column that the input lacks.
 */
export function scopeConstants(predicate: Predicate): Record<string, string> {
  const normal = normalForm(predicate)
  const fixed = new Map<string, string | undefined>()
  for (const part of normal.op === 'and' ? normal.of : [normal]) {
    if (part.op !== 'compare' || part.comparison !== '=') continue
    // Two different values: nothing matches, so nothing is supplied.
    fixed.set(part.column, fixed.has(part.column) ? undefined : part.value)
  }
  return Object.fromEntries([...fixed].filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** False only if no partition can match both. */
export function possiblyOverlaps(p: Predicate, q: Predicate): boolean {
  const left = alternatives(normalForm(p))
  const right = alternatives(normalForm(q))
  if (left === undefined || right === undefined) return true
  return left.some((some) => right.some((other) => satisfiable([...some, ...other])))
}

type Leaf = Atom | Negation

const mostAlternatives = 256

/** The predicate as an `or` of `and`s of leaves; undefined where that would be too many. */
function alternatives(normal: Predicate): Leaf[][] | undefined {
  switch (normal.op) {
    case 'true':
      return [[]]
    case 'false':
      return []
    case 'or': {
      const all: Leaf[][] = []
      for (const part of normal.of) {
        const some = alternatives(part)
        if (some === undefined || all.length + some.length > mostAlternatives) return undefined
        all.push(...some)
      }
      return all
    }
    case 'and': {
      let all: Leaf[][] = [[]]
      for (const part of normal.of) {
        const some = alternatives(part)
        if (some === undefined || all.length * some.length > mostAlternatives) return undefined
        all = all.flatMap((begun) => some.map((more) => [...begun, ...more]))
      }
      return all
    }
    default:
      return [[normal]]
  }
}

/** Whether each column, on its own, may have a value of which all its leaves are true. */
function satisfiable(leaves: Leaf[]): boolean {
  // Two columns beside each other may be anything.
  const single = leaves.filter((leaf) => leaf.op !== 'columns')
  const columns = new Set(single.map(columnOf))
  return [...columns].every((column) => mayHold(single.filter((leaf) => columnOf(leaf) === column)))
}

function columnOf(leaf: Leaf): string | undefined {
  const atom = leaf.op === 'not' ? leaf.of : leaf
  return 'column' in atom ? atom.column : undefined
}

function mayHold(leaves: Leaf[]): boolean {
  const all = (text: string | null) => leaves.every((leaf) => evaluate(leaf, () => text) === true)
  if (all(null)) return true
  // Nothing but null can be null, and null was no answer.
  if (leaves.some((leaf) => leaf.op === 'null')) return false
  for (const leaf of leaves) {
    if (leaf.op === 'in') return leaf.values.some(all)
    if (leaf.op === 'compare' && leaf.comparison === '=') return all(leaf.value)
  }
  return boundsLeaveRoom(leaves)
}

function boundsLeaveRoom(leaves: Leaf[]): boolean {
  const bounds = leaves.filter((leaf) => leaf.op === 'compare')
  const lower = bounds.filter(({ comparison }) => comparison === '>' || comparison === '>=')
  const upper = bounds.filter(({ comparison }) => comparison === '<' || comparison === '<=')
  return lower.every((low) =>
    upper.every((high) => {
      const sign = compareTexts(low.value, high.value, low.type)
      return sign < 0 || (sign === 0 && low.comparison === '>=' && high.comparison === '<=')
    }),
  )
}
