/** `scd2` makes the history that the model makes, from random snapshots, full and partial, in order and late. */
import fc from 'fast-check'
import { type HistoryOptions, scd2 } from '../../model/scd2.js'
import { agreesWithModel, callText, given, inputForm, type LoadCase, passed, scenarioOf } from './library.js'
import { type DomainColumn, inputOf, type Shape, shapeOf, weighted } from './shapes.js'

agreesWithModel('scd2', () => scenario, { alsoKey: ['_effective_from'] })

/** Before, between and after the times of the loads. */
const instants = [
  '2026-11-18T00:00:00Z',
  '2026-11-19T00:00:00.000001Z',
  '2026-11-20T09:00:00Z',
  '2026-11-20T12:30:00Z',
  '2026-11-22T00:00:00Z',
]
const time: DomainColumn = { name: 'changed at', type: 'timestamp', values: instants }

const scenario = fc
  .boolean()
  .chain((byColumn) =>
    shapeOf(byColumn ? { reserved: [time] } : {}).chain((shape) => scenarioOf(shape, historyOf(shape, byColumn))),
  )

function historyOf(shape: Shape, byColumn: boolean): fc.Arbitrary<LoadCase> {
  const tracked = shape.columns
    .map(({ name }) => name)
    .filter((name) => !shape.key.includes(name) && name !== time.name)
  return fc
    .record({
      form: inputForm,
      schema: weighted(60, fc.constant('evolve' as const)),
      exact: weighted(20, fc.constant(true)),
      effectiveAt: byColumn
        ? fc.constant(`column:${time.name}`)
        : weighted(80, fc.constantFrom(...instants, '2026-11-19T00:00:00Z')),
      snapshot: weighted(50, fc.constantFrom<'full' | 'partial'>('full', 'partial')),
      late: weighted(70, fc.constantFrom<'insert' | 'fail'>('insert', 'insert', 'fail')),
      track: weighted(25, fc.subarray(tracked, { minLength: 1 })),
      maxDeleteRatio: weighted(80, fc.constantFrom(1, 1, 1, 0.3)),
      minRows: weighted(5, fc.constant(3)),
    })
    .chain(({ form, exact, ...others }) => {
      const options = given(others)
      const required = byColumn ? [time.name, ...(options.track ?? [])] : (options.track ?? [])
      const inputs = inputOf(shape, { required, also: byColumn ? [time.name] : [], maxRows: 10 })
      return inputs.map((input): LoadCase => {
        const settings = { ...options, ...given({ exact }) }
        return {
          text: callText('scd2', input, settings, form),
          stamps: 'row',
          model: (before, load) => scd2(before, input, modelOptions(options, byColumn), load),
          run: (table, common, known) => {
            const { rows, types } = passed(input, form, known)
            return table.scd2(rows, { ...settings, types, ...common })
          },
        }
      })
    })
}

function modelOptions(
  { effectiveAt, ...options }: Omit<HistoryOptions, 'effectiveAt'> & { effectiveAt?: string },
  byColumn: boolean,
): HistoryOptions {
  if (byColumn) return { ...options, effectiveAt: { column: time.name } }
  return { ...options, ...given({ effectiveAt }) }
}
