/**
 * A load in a process of its own that is killed at a chosen store operation.
 *
 *   node child.mjs '{"dist":"…","url":"…","mode":"replace","rows":[…],"killAt":7,"when":"before","settings":{…}}'
 *
 * Operations are counted from 1 over everything that the load asks of the store; at number `killAt` the process ends
 * with SIGKILL, before the operation is begun or after it has been done. Where it was not reached, or is not given, their
 * names are printed.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const { dist, url, mode, rows, killAt, when, settings, load } = JSON.parse(process.argv[2])
const from = (file) => import(pathToFileURL(join(dist, file)).href)
const { openTable } = await from('index.js')
const { openStore } = await from('store/open.js')

const operations = []
const store = killedAt(await openStore(url, settings?.store ?? {}))
const table = await openTable(url, { ...settings, components: { store } })
const receipt = mode === 'delete' ? await table.delete(load) : await table[mode](rows, load)
await table.close()
console.log(JSON.stringify({ operations, receipt }))

function killedAt(real) {
  return new Proxy(real, {
    get(target, name) {
      const member = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      if (name === 'localPath' || name === 'now' || name === 'close') return member.bind(target)
      if (name === 'list')
        return (...args) =>
          counted(
            name,
            () => member.apply(target, args),
            (result) => result,
          )
      return async (...args) =>
        counted(
          name,
          () => member.apply(target, args),
          async (result) => await result,
        )
    },
  })
}

function counted(name, run, settle) {
  const mine = operations.push(name)
  if (mine === killAt && when === 'before') process.kill(process.pid, 'SIGKILL')
  const result = settle(run())
  if (mine !== killAt) return result
  if (typeof result.then !== 'function') process.kill(process.pid, 'SIGKILL')
  return result.then(() => process.kill(process.pid, 'SIGKILL'))
}
