/**
 * Column types, as Delta stores them and as users see them (SQL names). Everything else maps onto these or is refused.
 *
 *   ours         Delta              Arrow                    DuckDB
 *   bigint       long               Int64                    BIGINT
 *   varchar      string             Utf8                     VARCHAR
 *   timestamp    timestamp (UTC µs) Timestamp(µs, "UTC")     TIMESTAMP WITH TIME ZONE
 *   decimal(p,s) decimal(p,s)       Decimal128               DECIMAL(p,s)
 *   x[]          array              List                     x[]
 */
export type PrimitiveName =
  | 'boolean'
  | 'tinyint'
  | 'smallint'
  | 'integer'
  | 'bigint'
  | 'float'
  | 'double'
  | 'varchar'
  | 'blob'
  | 'date'
  | 'timestamp'

export type LakeType =
  | { kind: PrimitiveName }
  | { kind: 'decimal'; precision: number; scale: number }
  | { kind: 'list'; element: LakeType; elementNullable?: boolean }
  | { kind: 'struct'; fields: Field[] }
  | { kind: 'map'; key: LakeType; value: LakeType; valueNullable?: boolean }

export interface Field {
  name: string
  type: LakeType
  /** Delta's `nullable`; what we create is always nullable. */
  nullable: boolean
  /** Delta's field metadata, kept as it is (a comment, generation expressions …). */
  metadata?: Record<string, unknown>
}

/** In table order, partition columns included. Names are unique without regard to case. */
export type Schema = Field[]
