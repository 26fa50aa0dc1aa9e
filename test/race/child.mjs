/**
 * One of several writers: loads several times into one table and prints what became of each.
 *
 *   node child.mjs '{"dist":"…","url":"…","settings":{…},"loads":[{"mode":"append","rows":[…],"load":{…}}, …]}'
 *
 * Waits for a line on standard input before it begins, so that all writers start together.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const { dist, url, settings, loads } = JSON.parse(process.argv[2])
const { openTable } = await import(pathToFileURL(join(dist, 'index.js')).href)
const table = await openTable(url, settings)
console.log('ready')
await once(process.stdin, 'data')
for (const { mode, rows, load } of loads) {
  try {
    const receipt = mode === 'delete' ? await table.delete(load) : await table[mode](rows, load)
    console.log(JSON.stringify({ status: receipt.status, version: receipt.version }))
  } catch (error) {
    console.log(JSON.stringify({ status: 'failed', code: error.code, message: error.message }))
  }
}
await table.close()
process.exit(0)
