/** Loads of all kinds on one table: those that know keys and those that exchange whole partitions, with their changes. */
import fc from 'fast-check'
import { append } from '../../model/append.js'
import type { Incoming } from '../../model/incoming.js'
import { merge } from '../../model/merge.js'
import { overwrite } from '../../model/overwrite.js'
import { replace } from '../../model/replace.js'
import { sync } from '../../model/sync.js'
import type { Load, Table as ModelTable, Outcome } from '../../model/table.js'
import { scopeOf } from './conditions.js'
import { agreesWithModel, callText, given, inputForm, type LoadCase, passed, scenarioOf } from './library.js'
import { inputOf, type Shape, shapeOf, weighted } from './shapes.js'

agreesWithModel('mixed loads', () => scenario, { alsoKey: null, found: true })

const verbs = ['append', 'replace', 'replace', 'overwrite', 'merge', 'sync'] as const
type Verb = (typeof verbs)[number]

interface Options {
  schema: 'evolve'
  allowEmpty?: boolean
  maxDeleteRatio?: number
}

const models: Record<Verb, (before: ModelTable, input: Incoming, options: Options, load: Load) => Outcome> = {
  append,
  replace,
  overwrite,
  merge,
  sync,
}

const scenario = shapeOf().chain((shape) =>
  scenarioOf(
    shape,
    fc.constantFrom(...verbs).chain((verb) => loadOf(shape, verb)),
  ),
)

function loadOf(shape: Shape, verb: Verb): fc.Arbitrary<LoadCase> {
  const hasScope = verb === 'replace' && shape.partitionBy.length > 0
  return fc
    .record({
      form: inputForm,
      input: inputOf(shape, { spoiled: 0, maxRows: 12 }),
      scope: hasScope ? weighted(40, scopeOf(shape)) : fc.constant(undefined),
    })
    .map(({ form, input, scope }) => {
      const rows = scope ? { ...input, rows: input.rows.filter((row, at) => at === 7 || scope.holds(row)) } : input
      const options: Options = {
        schema: 'evolve',
        ...(verb === 'overwrite' ? { allowEmpty: true } : {}),
        ...(verb === 'sync' ? { maxDeleteRatio: 1 } : {}),
      }
      const settings = { ...options, ...given({ scope: scope?.text }) }
      return {
        text: callText(verb, rows, settings, form),
        stamps: verb === 'merge' || verb === 'sync' ? 'row' : 'load',
        model: (before, load) => models[verb](before, rows, { ...options, ...given({ scope: scope?.holds }) }, load),
        run: (table, common, known) => {
          const { rows: given, types } = passed(rows, form, known)
          return table[verb](given, { ...settings, types, ...common })
        },
      }
    })
}
