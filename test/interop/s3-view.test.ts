/** The published view over S3, read as users read it: DuckDB with httpfs, and nothing of ours. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { partitionPath } from '../../src/partition/spec.js'
import { publish } from '../../src/publish/publish.js'
import { openStore } from '../../src/store/open.js'
import { columns, openWorkshop, type Workshop } from '../read/table.js'
import { pythonEnvironment } from '../servers/python.js'
import { createBucket } from '../servers/s3.js'

const reader = `
import json, sys, pathlib, duckdb, duckdb_extension_httpfs
c = duckdb.connect(config={"allow_unsigned_extensions": "true"})
[extension] = pathlib.Path(duckdb_extension_httpfs.__path__[0]).rglob("*.duckdb_extension")
c.load_extension(str(extension))
given = json.load(sys.stdin)
c.execute("create secret (type s3, key_id $key, secret $secret, region $region, endpoint $host, url_style 'path', use_ssl false)", given["s3"])
for key in given["keys"]:
    sql = c.execute("select content from read_text(?)", [key]).fetchone()[0]
    c.execute(sql)
    print(json.dumps(c.execute("select id, region from orders order by id").fetchall()))
`

let workshop: Workshop
beforeAll(async () => {
  workshop = await openWorkshop()
})
afterAll(() => workshop.close())

const values = [
  'plain',
  'a/b',
  `q'uote`,
  '50%',
  'x=y',
  '日本',
  'sp ace',
  'a+b',
  'a&b#c',
  'co:lon',
  '[z]{y}',
  'what?',
  '*',
  null,
]

const servers = inject('s3Servers') ?? []

describe.each(servers)('on $name', (server) => {
  test('the published view reads every partition, whatever its value is', async () => {
    const { accessKeyId, endpoint, region, secretAccessKey } = server
    const bucket = await createBucket(server)
    const store = await openStore(`s3://${bucket}/lake/orders`, {
      endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey },
    })
    const snapshot = await workshop.write(
      store,
      columns({ id: 'integer', region: 'varchar' }),
      values.map((value, i) => ({
        key: `${partitionPath({ region: value }, ['region'])}/${i}.parquet`,
        partitionValues: { region: value },
        sql: `SELECT ${i}::INTEGER AS id`,
      })),
      { partitionBy: ['region'] },
    )
    await publish(store, snapshot)
    const { python } = await pythonEnvironment('readers')
    const child = promisify(execFile)(python, ['-c', reader])
    child.child.stdin?.end(
      JSON.stringify({
        s3: { key: accessKeyId, secret: secretAccessKey, region, host: endpoint.replace('http://', '') },
        keys: [`${store.url}/_published/duckdb.sql`],
      }),
    )
    const { stdout } = await child
    expect(JSON.parse(stdout)).toEqual(values.map((value, i) => [i, value]))
    await store.close()
  })
})
