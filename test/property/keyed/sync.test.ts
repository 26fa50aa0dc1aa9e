/** `sync` does what the model says, on random tables, snapshots, scopes and guards. */
import fc from 'fast-check'
import { type SyncOptions, sync } from '../../model/sync.js'
import { scopeOf } from './conditions.js'
import { agreesWithModel, callText, given, inputForm, type LoadCase, passed, scenarioOf } from './library.js'
import { inputOf, type Shape, shapeOf, weighted } from './shapes.js'

agreesWithModel('sync', () => scenario)

const scenario = shapeOf().chain((shape) => scenarioOf(shape, syncOf(shape)))

function syncOf(shape: Shape): fc.Arbitrary<LoadCase> {
  const { partitionBy } = shape
  return fc
    .record({
      form: inputForm,
      evolve: weighted(50, fc.constant('evolve' as const)),
      maxDeleteRatio: weighted(60, fc.constantFrom(0, 0.3, 1, 1)),
      maxUpdateRatio: weighted(15, fc.constantFrom(0, 0.5, 1)),
      minRows: weighted(10, fc.constantFrom(0, 3, 30)),
      exact: weighted(25, fc.constant(true)),
      onDuplicate: weighted(15, fc.constantFrom<'last' | 'first'>('last', 'first')),
      orderBy: fc.constantFrom(...shape.columns.map(({ name }) => name)),
      scope: partitionBy.length > 0 ? weighted(40, scopeOf(shape)) : fc.constant(undefined),
    })
    .chain(({ form, evolve, exact, onDuplicate, orderBy, scope, ...guards }) => {
      const resolved = onDuplicate && { onDuplicate, orderBy: [orderBy] }
      const options: Omit<SyncOptions, 'scope'> = { ...given({ schema: evolve, ...guards }), ...resolved }
      const inputs = inputOf(shape, { repeatedKeys: resolved !== undefined, required: resolved ? [orderBy] : [] })
      return inputs.map((input) => {
        const rows = scope
          ? { ...input, rows: input.rows.filter((row, index) => index === 7 || scope.holds(row)) }
          : input
        const settings = { ...options, ...given({ exact, scope: scope?.text }) }
        return {
          text: callText('sync', rows, settings, form),
          stamps: 'row',
          model: (before, load) => sync(before, rows, { ...options, ...given({ scope: scope?.holds }) }, load),
          run: (table, common, known) => {
            const { rows: input, types } = passed(rows, form, known)
            return table.sync(input, { ...settings, types, ...common })
          },
        }
      })
    })
}
