#!/usr/bin/env node
/**
 * The `lakewright` command. Everything else is imported after the compile cache is on (Node 22 and later), so that
 * the second start does not compile the same files again.
 */
import module from 'node:module'

const cache = module as { enableCompileCache?: () => unknown }
cache.enableCompileCache?.()

// The AWS SDK's advice about Node versions is for developers.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'

const { main } = await import('./program.js')
await main(process.argv.slice(2))
