/** `merge` does what the model says, on random tables, rows, conditions and choices of columns. */
import fc from 'fast-check'
import { conditionText } from '../../model/condition.js'
import { merge } from '../../model/merge.js'
import { conditionOf, scopeOf } from './conditions.js'
import { agreesWithModel, callText, given, inputForm, type LoadCase, passed, scenarioOf } from './library.js'
import { inputOf, type Shape, shapeOf, weighted } from './shapes.js'

agreesWithModel('merge', () => scenario)

const scenario = shapeOf().chain((shape) => scenarioOf(shape, mergeOf(shape)))

function mergeOf(shape: Shape): fc.Arbitrary<LoadCase> {
  const columns = shape.columns.map(({ name, type }) => ({ name, type }))
  const names = columns.map(({ name }) => name)
  const condition = conditionOf(shape.columns, 'merge')
  return fc
    .record({
      form: inputForm,
      schema: weighted(60, fc.constant('evolve' as const)),
      exact: weighted(20, fc.constant(true)),
      deleteWhen: weighted(25, condition),
      whenMatched: weighted(25, condition),
      updateColumns: weighted(20, fc.subarray(names, { minLength: 1 })),
      whenNotMatchedBySource: weighted(30, fc.constantFrom<'keep' | 'delete'>('keep', 'delete')),
      onDuplicate: weighted(15, fc.constantFrom<'last' | 'first'>('last', 'first')),
      orderBy: fc.constantFrom(...names),
      scope: shape.partitionBy.length > 0 ? weighted(30, scopeOf(shape)) : fc.constant(undefined),
    })
    .chain(({ form, exact, deleteWhen, whenMatched, updateColumns, onDuplicate, orderBy, scope, ...others }) => {
      const resolved = onDuplicate && { onDuplicate, orderBy: [orderBy] }
      // Most often what may be updated: other columns are refused.
      const update = updateColumns?.filter((name, index) => index === 2 || !shape.key.includes(name))
      const common = { ...others, ...resolved, updateColumns: update && update.length > 0 ? update : undefined }
      const inputs = inputOf(shape, { repeatedKeys: resolved !== undefined, required: resolved ? [orderBy] : [] })
      return inputs.map((input): LoadCase => {
        const kept = scope ? input.rows.filter((row, at) => at === 7 || scope.holds(row)) : input.rows
        // What no rows bring is not for this test to say: conditions may name any column then.
        const rows = { rows: kept, columns: kept.length > 0 ? input.columns : columns }
        const settings = given({
          ...common,
          exact,
          scope: scope?.text,
          deleteWhen: deleteWhen && conditionText(deleteWhen),
          whenMatched: whenMatched && conditionText(whenMatched),
        })
        const options = given({ ...common, scope: scope?.holds, deleteWhen, whenMatched })
        return {
          text: callText('merge', rows, settings, form),
          stamps: 'row',
          model: (before, load) => merge(before, rows, options, load),
          run: (table, more, known) => {
            const { rows: input, types } = passed(rows, form, known)
            return table.merge(input, { ...settings, types, ...more })
          },
        }
      })
    })
}
