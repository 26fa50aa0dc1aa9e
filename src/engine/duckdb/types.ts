/** Our types as DuckDB's own objects, for the columns of a table function. */
import type { DuckDBType } from '@duckdb/node-api'
import type { LakeType } from '../../schema/types.js'

export type DuckApi = typeof import('@duckdb/node-api')

export function duckTypeOf(api: DuckApi, type: LakeType): DuckDBType {
  switch (type.kind) {
    case 'boolean':
      return api.BOOLEAN
    case 'tinyint':
      return api.TINYINT
    case 'smallint':
      return api.SMALLINT
    case 'integer':
      return api.INTEGER
    case 'bigint':
      return api.BIGINT
    case 'float':
      return api.FLOAT
    case 'double':
      return api.DOUBLE
    case 'varchar':
      return api.VARCHAR
    case 'blob':
      return api.BLOB
    case 'date':
      return api.DATE
    case 'timestamp':
      return api.TIMESTAMPTZ
    case 'decimal':
      return api.DECIMAL(type.precision, type.scale)
    case 'list':
      return api.LIST(duckTypeOf(api, type.element))
    case 'map':
      return api.MAP(duckTypeOf(api, type.key), duckTypeOf(api, type.value))
    case 'struct':
      // Not `STRUCT({…})`: an object would put a field called `0` before all others.
      return new api.DuckDBStructType(
        type.fields.map((field) => field.name),
        type.fields.map((field) => duckTypeOf(api, field.type)),
      )
  }
}
