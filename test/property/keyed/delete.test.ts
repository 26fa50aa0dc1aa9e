/** `delete` takes the rows for which a random condition is true, and no others, from files of every kind. */
import fc from 'fast-check'
import { append } from '../../model/append.js'
import { conditionText } from '../../model/condition.js'
import { deleteRows } from '../../model/delete.js'
import { conditionOf } from './conditions.js'
import { agreesWithModel, callText, inputForm, type LoadCase, passed, scenarioOf } from './library.js'
import { inputOf, type Shape, shapeOf } from './shapes.js'

agreesWithModel('delete', () => scenario, { alsoKey: null })

// Several appends first, so that there are several files, with repeated keys and equal rows.
const scenario = shapeOf().chain((shape) =>
  scenarioOf(shape, fc.oneof(appendOf(shape), deleteOf(shape)), [appendOf(shape), appendOf(shape)]),
)

function appendOf(shape: Shape): fc.Arbitrary<LoadCase> {
  const inputs = inputOf(shape, { spoiled: 0, repeatedKeys: true, maxRows: 12 })
  return fc.record({ form: inputForm, input: inputs }).map(({ form, input }) => ({
    text: callText('append', input, { schema: 'evolve' }, form),
    stamps: 'load',
    model: (before, load) => append(before, input, { schema: 'evolve' }, load),
    run: (table, common, known) => {
      const { rows, types } = passed(input, form, known)
      return table.append(rows, { schema: 'evolve', types, ...common })
    },
  }))
}

function deleteOf(shape: Shape): fc.Arbitrary<LoadCase> {
  const parts = shape.columns.filter(({ name }) => shape.partitionBy.includes(name))
  const anyColumn = conditionOf(shape.columns, 'rows')
  const where = parts.length === 0 ? anyColumn : fc.oneof(anyColumn, conditionOf(parts, 'rows'))
  return where.map((condition) => {
    const text = conditionText(condition)
    return {
      text: `  delete(${JSON.stringify(text)})`,
      model: (before) => deleteRows(before, condition),
      run: (table, common) => table.delete({ where: text, ...common }),
    }
  })
}
